import { z } from 'zod';
import type { SessionSchedule } from '../api/schedules.ts';
import { batch, op } from './op.ts';

/** Messages that the session gets at a time. */

const MAX_MESSAGE_CHARS = 10_000;

/** Of one monitor, in all. */
export const MAX_MONITOR_RUNS = 1_000;

const message = z
  .string()
  .refine((text) => text.trim() !== '', 'must not be empty')
  .refine((text) => text.length <= MAX_MESSAGE_CHARS, `must have at most ${MAX_MESSAGE_CHARS} characters`);

export const SCHEDULE_OPS = {
  /** Exactly one of the two times; the zone is an IANA name and counts for the expression only. */
  'schedules.create': op<SessionSchedule>()(
    z.strictObject({
      message,
      scheduled_at: z.string().optional(),
      cron_expression: z.string().max(200).optional(),
      timezone: z.string().max(100).optional(),
      /** Makes the call that this one delegates to, in the place of sending the message. */
      monitor: z
        .strictObject({ title: z.string().min(1).max(200), signal: z.boolean(), max_runs: z.int().min(1).max(MAX_MONITOR_RUNS) })
        .optional(),
    }),
  ),
  'schedules.list': op<{ schedules: SessionSchedule[] }>()(z.strictObject({})),
  'schedules.cancel': op<{ cancelled: boolean }>()(z.strictObject({ schedule_id: z.string().max(100), batch })),
};
