import { toPublicId } from '@everruns/contract';
import type { DurableEvent, PlannedCall, Uuid } from '@everruns/contract';
import { advanceSchedule, findLiveMonitorRun, findParent, findSessionTask, retireSchedule, underHead } from '@everruns/storage';
import type { DueSchedule } from '@everruns/storage';
import { nextTime } from '../schedules/cron.ts';
import { repeat, wake } from './context.ts';
import type { EngineContext } from './context.ts';
import { insertRun } from './tasks/background.ts';
import { namedId } from './tasks/named-id.ts';

/** Schedules that make a tool call without asking a model: a task of the session for each of their times. */

/** What a schedule keeps of the call that it makes. */
export interface Probe {
  call: PlannedCall;
  title: string;
  /** Is its agent told of results that differ from the one before? */
  wakes: boolean;
}

interface Started {
  events: DurableEvent[];
  sends: boolean;
  /** It is there, since now or since an attempt that has died. */
  isThere: boolean;
}

/**
 * Begins the run of a due time, under an id made of schedule and time, so that several instances, and one that dies in between, begin one. Only then the
 * schedule moves on. While the run of an earlier time goes on there is no other: one that takes longer than its interval does not pile up.
 */
export async function fireMonitor(ctx: EngineContext, due: DueSchedule, probe: Probe): Promise<void> {
  if ((due.runs_left ?? 0) <= 0) return repeat(ctx, () => retireSchedule(ctx.db, due.id));
  const started = due.alive ? await repeat(ctx, () => start(ctx, due, probe), due.session_id) : null;
  if (started === null) return repeat(ctx, () => retireSchedule(ctx.db, due.id));
  if (started.events.length > 0) {
    ctx.feed.committed(due.session_id, started.events);
    wake(ctx, ['tool']);
    if (started.sends) ctx.sendWebhooks();
  }
  const left = (due.runs_left ?? 0) - (started.isThere ? 1 : 0);
  const at = due.cron === null || left <= 0 ? null : nextTime(due.cron, due.timezone, due.now);
  const data = {
    schedule_id: toPublicId('schedule', due.id),
    prompt: due.message,
    scheduled_at: due.next_at.toISOString(),
    ...(at === null ? {} : { next_trigger_at: at.toISOString() }),
  };
  const place = { sessionId: due.session_id, id: due.id, at: due.next_at };
  const events = await repeat(ctx, () => advanceSchedule(ctx.db, place, { at, data, runsLeft: Math.max(0, left) }), due.session_id);
  ctx.feed.committed(due.session_id, events);
}

/** Null when the session is gone. */
function start(ctx: EngineContext, due: DueSchedule, { call, title, wakes }: Probe): Promise<Started | null> {
  const at = { orgId: due.org_id, sessionId: due.session_id };
  const name = `${due.id}@${due.next_at.toISOString()}`;
  const taskId = namedId(`monitor:${name}`);
  return underHead(ctx.db, at, async ({ tx }): Promise<Started | null> => {
    if ((await findSessionTask(tx, { orgId: at.orgId, id: taskId })) !== null) return { events: [], sends: false, isThere: true };
    const parent = await findParent(tx, at);
    if (parent === null) return null;
    const scheduleId = toPublicId('schedule', due.id);
    if (await findLiveMonitorRun(tx, { sessionId: at.sessionId, scheduleId })) return { events: [], sends: false, isThere: false };
    const runId: Uuid = namedId(`monitor-run:${name}`);
    const draft = {
      ...at,
      taskId,
      runId,
      call: { ...call, id: `${call.id}:${due.triggered + 1}` },
      title,
      wakes,
      context: {},
      monitor: scheduleId,
    };
    const { events, sends } = await insertRun(ctx, tx, draft, parent);
    return { events, sends, isThere: true };
  });
}
