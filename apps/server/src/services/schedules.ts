import { createHash } from 'node:crypto';
import { dashed, fromPublicId, PlatformError, toPublicId } from '@everruns/contract';
import type { ScheduleTriggered, SessionSchedule, Uuid } from '@everruns/contract';
import {
  advanceSchedule,
  createSchedule,
  deleteSchedule,
  enableSchedule,
  findMadeSchedule,
  findSchedule,
  listSchedules,
  sessionOwner,
} from '@everruns/storage';
import type { CreateScheduleResult, Database, ScheduleRow, WriterLease } from '@everruns/storage';
import type { AdmitSchedule } from '../limits/work-limits.ts';
import { cronProblem, isTimeZone, nextTime } from '../schedules/cron.ts';
import type { CommitFeed } from '../stream/port.ts';
import type { TurnService } from '../turns/port.ts';

/** Schedules of sessions, for their tools and for REST alike. What is due is fired by the engine. */

export interface ScheduleLimits {
  perSession: number;
  perOrg: number;
  /** Shortest time between two firings of one schedule, in seconds. */
  minIntervalSecs: number;
}

export const SCHEDULE_LIMITS: ScheduleLimits = { perSession: 5, perOrg: 100, minIntervalSecs: 300 };

interface Place {
  orgId: Uuid;
  sessionId: Uuid;
}

export interface ScheduleRequest {
  message: string;
  scheduled_at?: string | undefined;
  cron_expression?: string | undefined;
  timezone?: string | undefined;
  /** A tool call that it makes, so many times, in the place of sending its message. */
  probe?: { value: unknown; runs: number };
}

export interface ScheduleService {
  /** `key` names the call that asks for it: asked again, it gives what was made the first time. */
  create(place: Place, request: ScheduleRequest, by: { key: string; lease: WriterLease }): Promise<SessionSchedule>;
  list(place: Place): Promise<SessionSchedule[]>;
  get(place: Place, id: Uuid): Promise<SessionSchedule>;
  setEnabled(place: Place, id: Uuid, enabled: boolean): Promise<SessionSchedule>;
  /** False when there was none. */
  cancel(place: Place, id: Uuid, lease: WriterLease): Promise<boolean>;
}

export interface ScheduleServiceDeps {
  db: Database;
  limits: ScheduleLimits;
  now: () => Date;
  /** Throws `rate_limited` when schedules are made too fast for a user: the one whose session it is. */
  admit?: AdmitSchedule | undefined;
}

export function createScheduleService({ db, limits, now, admit }: ScheduleServiceDeps): ScheduleService {
  const get = async (place: Place, id: Uuid): Promise<ScheduleRow> => {
    const row = await findSchedule(db, { ...place, id });
    if (row === null) throw scheduleNotFound();
    return row;
  };
  return {
    async create(place, request, { key, lease }) {
      const id = idFrom(`${place.sessionId}:${key}`);
      // Made before: its time may have come meanwhile, or somebody has deleted it.
      const known = await findMadeSchedule(db, { ...place, id });
      if (known !== null) return presentSchedule(known);
      const { cron, timezone, nextAt } = timesOf(request, { limits, now: now() });
      const owner = admit === undefined ? null : await sessionOwner(db, place);
      if (owner !== null) await admit?.(owner);
      const { message, probe } = request;
      const made = await createSchedule(db, { ...place, id, message, cron, timezone, nextAt, probe }, { lease, limits });
      refuse(made, limits);
      const row = await findMadeSchedule(db, { ...place, id });
      if (row === null) throw scheduleNotFound();
      return presentSchedule(row);
    },
    list: async (place) => (await listSchedules(db, place)).map(presentSchedule),
    get: async (place, id) => presentSchedule(await get(place, id)),
    async setEnabled(place, id, enabled) {
      const row = await get(place, id);
      // What passed while it was off is not made up for.
      const next = enabled && row.cron !== null ? nextTime(row.cron, row.timezone, now()) : null;
      const changed = await enableSchedule(db, { ...place, id }, { enabled, nextAt: next, limits });
      if (changed === 'not_found') throw scheduleNotFound();
      refuse(changed, limits);
      return presentSchedule(await get(place, id));
    },
    cancel: (place, id, lease) => deleteSchedule(db, { ...place, id }, lease),
  };
}

export interface TriggerDeps {
  db: Database;
  turns: Pick<TurnService, 'postMessage'>;
  feed: Pick<CommitFeed, 'committed'>;
}

/** Fires it now, on request; when it is due next stays as it is. */
export async function triggerSchedule({ db, turns, feed }: TriggerDeps, place: Place, id: Uuid): Promise<ScheduleTriggered> {
  const row = await findSchedule(db, { ...place, id });
  if (row === null) throw scheduleNotFound();
  const schedule_id = toPublicId('schedule', id);
  const message = await turns.postMessage(place, {
    sessionId: place.sessionId,
    content: [{ type: 'text', text: row.message }],
    metadata: { source: 'schedule', schedule_id },
    joinsWait: true,
  });
  const data = {
    schedule_id,
    message_id: message.id,
    prompt: row.message,
    ...(row.next_at === null ? {} : { next_trigger_at: row.next_at.toISOString() }),
  };
  feed.committed(
    place.sessionId,
    await advanceSchedule(db, { sessionId: place.sessionId, id, at: row.next_at }, { at: row.next_at, data }),
  );
  return { message_id: message.id, sequence: message.sequence as number };
}

/** When it fires. Throws for what cannot be. */
function timesOf(
  request: ScheduleRequest,
  { limits, now }: { limits: ScheduleLimits; now: Date },
): { cron: string | null; timezone: string; nextAt: Date } {
  const { scheduled_at, cron_expression: cron, timezone = 'UTC' } = request;
  if ((scheduled_at === undefined) === (cron === undefined)) throw invalid('scheduled_at', 'give either scheduled_at or cron_expression');
  if (!isTimeZone(timezone)) throw invalid('timezone', `"${timezone}" is not a time zone`);
  if (cron === undefined) {
    const at = new Date(scheduled_at as string);
    if (Number.isNaN(at.getTime()) || !/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(scheduled_at as string)) {
      throw invalid('scheduled_at', 'must be a time such as 2026-01-31T09:00:00Z');
    }
    if (at.getTime() <= now.getTime()) throw invalid('scheduled_at', 'must be in the future');
    return { cron: null, timezone, nextAt: at };
  }
  const problem = cronProblem(cron, timezone, { minIntervalSecs: limits.minIntervalSecs, now });
  if (problem !== null) throw invalid('cron_expression', problem);
  return { cron: cron.trim(), timezone, nextAt: nextTime(cron, timezone, now) as Date };
}

function refuse(made: CreateScheduleResult, { perSession, perOrg }: ScheduleLimits): void {
  if (made === 'not_found') throw new PlatformError('not_found', 'There is no such session.');
  if (made === 'session_full') throw tooMany(`A session has at most ${perSession} active schedules. Cancel one first.`);
  if (made === 'org_full') throw tooMany(`The organization has at most ${perOrg} active schedules.`);
}

function tooMany(text: string): PlatformError {
  return new PlatformError('resource_limit_reached', text);
}

function invalid(field: string, text: string): PlatformError {
  return new PlatformError('invalid_request', `${field}: ${text}.`, { field });
}

function scheduleNotFound(): PlatformError {
  return new PlatformError('not_found', 'There is no such schedule.');
}

/** A UUID of version 8 (RFC 9562) from a name: the same name gives the same id. */
function idFrom(name: string): Uuid {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return dashed(bytes.toString('hex'));
}

export function scheduleIdOf(publicId: string): Uuid | null {
  return fromPublicId('schedule', publicId);
}

function presentSchedule(row: ScheduleRow): SessionSchedule {
  return {
    id: toPublicId('schedule', row.id),
    session_id: toPublicId('session', row.session_id),
    message: row.message,
    ...(row.cron === null ? {} : { cron_expression: row.cron }),
    timezone: row.timezone,
    enabled: row.enabled,
    ...(row.next_at === null ? {} : { next_trigger_at: row.next_at.toISOString() }),
    ...(row.last_triggered_at === null ? {} : { last_triggered_at: row.last_triggered_at.toISOString() }),
    trigger_count: row.triggered,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
