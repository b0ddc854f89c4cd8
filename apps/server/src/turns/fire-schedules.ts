import { createHash } from 'node:crypto';
import { dashed, PlatformError, toPublicId } from '@everruns/contract';
import type { Message, Uuid } from '@everruns/contract';
import { advanceSchedule, dueSchedules, retireSchedule } from '@everruns/storage';
import type { DueSchedule } from '@everruns/storage';
import { nextTime } from '../schedules/cron.ts';
import { repeat } from './context.ts';
import type { EngineContext } from './context.ts';
import { fireMonitor } from './monitors.ts';
import type { Probe } from './monitors.ts';
import { postMessage } from './service.ts';

/**
 * Fires what is due. The message is stored under a key made of schedule and due time, so that several instances, and one that dies in between, store it
 * once; only then the schedule moves on, by whoever is first. Times that passed while nobody was there are one firing.
 */
export async function fireSchedules(ctx: EngineContext, limit: number, forEach: ForEach): Promise<boolean> {
  const due = (await dueSchedules(ctx.db, limit)).map((schedule) => ({ ...schedule, sessionId: schedule.session_id }));
  return forEach(ctx, due, (schedule) => fire(ctx, schedule));
}

/** One after the other, what fails does not keep the others; true when something failed. */
type ForEach = <T extends { sessionId: string }>(
  ctx: EngineContext,
  items: readonly T[],
  work: (item: T) => Promise<void>,
) => Promise<boolean>;

async function fire(ctx: EngineContext, due: DueSchedule): Promise<void> {
  if (due.probe !== null) return fireMonitor(ctx, due, due.probe as Probe);
  const message = due.alive ? await deliver(ctx, due, due.next_at) : null;
  if (message === null) return repeat(ctx, () => retireSchedule(ctx.db, due.id));
  const at = due.cron === null ? null : nextTime(due.cron, due.timezone, due.now);
  const data = {
    schedule_id: toPublicId('schedule', due.id),
    message_id: message.id,
    prompt: due.message,
    scheduled_at: due.next_at.toISOString(),
    ...(at === null ? {} : { next_trigger_at: at.toISOString() }),
  };
  const place = { sessionId: due.session_id, id: due.id, at: due.next_at };
  const events = await repeat(ctx, () => advanceSchedule(ctx.db, place, { at, data }), due.session_id);
  ctx.feed.committed(due.session_id, events);
}

/** Puts a schedule's message into its session; null when that is gone. Delivered again for the same time, it is the same message. */
export async function deliver(
  ctx: EngineContext,
  schedule: Pick<DueSchedule, 'id' | 'org_id' | 'session_id' | 'message'>,
  at: Date,
): Promise<Message | null> {
  try {
    return await postMessage(
      ctx,
      { orgId: schedule.org_id },
      {
        sessionId: schedule.session_id,
        content: [{ type: 'text', text: schedule.message }],
        clientMessageId: keyOf(schedule.id, at),
        metadata: { source: 'schedule', schedule_id: toPublicId('schedule', schedule.id) },
        joinsWait: true,
      },
    );
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'not_found') return null;
    throw error;
  }
}

function keyOf(scheduleId: Uuid, at: Date): Uuid {
  return dashed(createHash('sha256').update(`${scheduleId}@${at.toISOString()}`).digest('hex').slice(0, 32));
}
