import { idParam, MAX_SEQUENCE } from '@everruns/contract';
import { z } from 'zod';

/** How the routes of the log are described in the API document. They read their queries themselves (`stream-query.ts`). */

const many = z.union([z.string(), z.array(z.string())]).optional();
const TypeQuery = {
  types: many.describe('Keep only events of these types; repeat the key, at most 64 values'),
  exclude: many.describe('Then leave out events of these types; repeat the key, at most 64 values'),
};
const Flag = z.enum(['true', 'false']).optional();
const Sequence = z.int().min(0).max(MAX_SEQUENCE).optional();
const SinceId = z.string().optional().describe('Events after this one: the id of any event that was seen, durable or ephemeral');

export const SessionPath = z.object({ id: idParam('session') });

export const StreamQuery = z.object({
  since_id: SinceId,
  after_sequence: Sequence.describe('Events after this sequence; 0 replays the whole session'),
  live: Flag.describe('Nothing is replayed'),
  accumulated: Flag.describe('false leaves the whole text so far out of every delta'),
  ...TypeQuery,
});

export const ListQuery = z.object({
  since_id: SinceId,
  after_sequence: Sequence.describe('Newer events, exclusive; with a limit the first ones'),
  before_sequence: Sequence.describe('Older events, exclusive; needs a limit, and the page begins with a turn'),
  limit: z.int().min(1).max(1_000).optional().describe('1 to 1000: the last events, still oldest first'),
  around: z.string().optional().describe('Id of the event in the middle'),
  window: z.int().min(1).max(500).optional().describe('Events on each side of `around`, 1 to 500; default 50'),
  from_ts: z.string().optional(),
  to_ts: z.string().optional(),
  turn_id: z.string().optional(),
  exec_id: z.string().optional(),
  trace_id: z.string().optional(),
  tags: many.describe('Any of these; at most 20 values'),
  tool_name: z.string().optional(),
  q: z.string().optional().describe('Words that all occur in the payload; at most 4096 bytes and 64 words'),
  order_desc: Flag.describe('Newest first'),
  expand: Flag.describe('Fill the messages of `llm.generation` in; on when `types` names it'),
  ...TypeQuery,
});

export const SessionEvent = z
  .object({
    id: z.string(),
    type: z.string(),
    ts: z.string(),
    session_id: z.string(),
    context: z.object({
      turn_id: z.string().optional(),
      input_message_id: z.string().optional(),
      exec_id: z.string().optional(),
      trace_id: z.string().optional(),
      span_id: z.string().optional(),
      parent_span_id: z.string().optional(),
    }),
    data: z.record(z.string(), z.unknown()),
    sequence: z.int().optional().describe('Absent on ephemeral events'),
    metadata: z.unknown().optional(),
    tags: z.array(z.string()).optional(),
  })
  .meta({ id: 'Event' });

export const EventList = z.object({ data: z.array(SessionEvent) });

export const EventsSummary = z
  .object({
    total: z.int(),
    turn_count: z.int(),
    error_count: z.int(),
    first_ts: z.string().optional(),
    last_ts: z.string().optional(),
    by_type: z.array(z.object({ event_type: z.string(), count: z.int() })),
  })
  .meta({ id: 'EventsSummary' });
