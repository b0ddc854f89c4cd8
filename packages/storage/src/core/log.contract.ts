import { durableEventId, MAX_SEQUENCE, parseEventId, sessionTag, toPublicId } from '@everruns/contract';
import type { StepUsage, Uuid } from '@everruns/contract';
import type { EventDraft } from '@everruns/engine';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import { acceptMessage } from './accept.ts';
import { completeStep } from './complete.ts';
import { appendInStep } from './step.ts';
import { scalar, sql } from './testing/sql.ts';
import {
  call,
  cancel,
  claim,
  claimOne,
  completeReason,
  completeTool,
  openSession,
  post,
  postCommand,
  readLog,
  reasonCommand,
  runningTurn,
} from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';

let world: World;
let db: Database;
let player: Player;

beforeAll(async () => {
  world = await openWorld(await testDatabase());
});

beforeEach(async () => {
  await world.reset();
  ({ db, player } = world);
});

afterAll(() => world.close());

describe('what a write answers with', () => {
  test('is what the log holds, labels of the input included', async () => {
    const sessionId = await openSession(db, player);
    const command = postCommand(player, sessionId);
    const [input, ...rest] = command.events;
    const tagged = { ...command, events: [{ ...input, tags: ['from-chat', 'urgent'] } as EventDraft, ...rest] };
    const result = await acceptMessage(db, tagged);
    const answered =
      'events' in result ? result.events.map(({ sequence, type, tags, data }) => ({ seq: sequence, type, tags: tags ?? null, data })) : [];
    expect(answered).toEqual(await sql(db, 'select seq, type, tags, data from events where session_id = $1 order by seq', [sessionId]));
    expect(answered[0]?.tags).toEqual(['from-chat', 'urgent']);
  });
});

describe('W14: the log is one table with one key', () => {
  test('no core table is partitioned', async () => {
    const partitioned = `select c.relname from pg_class c where c.relkind = 'p' or c.relispartition`;
    expect(await sql(db, partitioned)).toEqual([]);
  });

  test('a sequence stands for one event of a session', async () => {
    const { sessionId } = await runningTurn(db, player);
    const again = `insert into events (session_id, seq, id, type, ts, context, data) select session_id, seq, gen_random_uuid(), type, ts, context, data from events
      where session_id = $1 and seq = 2`;
    await expect(sql(db, again, [sessionId])).rejects.toMatchObject({ code: '23505', constraint: 'events_pkey' });
  });

  test('sequences are 1.. without gaps, and the head knows the last', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a'), call('b')]);
    for (const tool of await claim(db, player, 'tool')) await completeTool(db, player, tool);
    const log = await readLog(db, sessionId);
    expect(log.map((event) => event.seq)).toEqual(log.map((_, index) => index + 1));
    expect(await scalar(db, 'select last_seq from session_heads where session_id = $1', [sessionId])).toBe(log.length);
  });
});

test('usage adds up in the head and in session.idled, whatever parts of it a model leaves out', async () => {
  const sessionId = await openSession(db, player);
  const usages = [
    { input_tokens: 10, output_tokens: 5 },
    { input_tokens: 1, output_tokens: 2, cache_read_tokens: 3, cache_creation_tokens: 4, estimated_cost_usd: 0.5 },
    JSON.parse('{ "input_tokens": 100, "output_tokens": 50, "cache_read_tokens": null }') as StepUsage,
    null,
  ];
  for (const usage of usages) {
    await post(db, player, sessionId);
    const command = reasonCommand(player, await claimOne(db, player, 'reason'), { seen: MAX_SEQUENCE });
    expect(await completeStep(db, { ...command, plan: { ...command.plan, usage } })).toMatchObject({ verdict: 'ok' });
  }
  const [head] = await sql(
    db,
    'select input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens, cost_usd from session_heads where session_id = $1',
    [sessionId],
  );
  expect(head).toEqual({ input_tokens: 111, output_tokens: 57, cache_read_tokens: 3, cache_creation_tokens: 4, cost_usd: 0.5 });
  const idled = (await readLog(db, sessionId)).findLast((event) => event.type === 'session.idled');
  expect(idled?.data['usage']).toEqual({
    input_tokens: 111,
    output_tokens: 57,
    cache_read_tokens: 3,
    cache_creation_tokens: 4,
    estimated_cost_usd: 0.5,
  });
});

describe('R16: one clock, and time that never goes back within a session', () => {
  test('engine_now follows the shift of its connection', async () => {
    await world.shifted(3_600_000, async (later) => {
      const aheadMs = await scalar<number>(later, `select extract(epoch from engine_now() - clock_timestamp())::float8 * 1000`);
      expect(aheadMs).toBeCloseTo(3_600_000, -2);
    });
    const aheadMs = await scalar<number>(db, `select extract(epoch from engine_now() - clock_timestamp())::float8 * 1000`);
    expect(Math.abs(aheadMs)).toBeLessThan(50);
  });

  test('events that are written after a clock went back have the time of the last one before', async () => {
    const sessionId = await openSession(db, player);
    await world.shifted(60_000, (ahead) => post(ahead, player, sessionId));
    const task = await claimOne(db, player, 'reason');
    const events = [{ type: 'output.message.started' as const, context: {}, data: {} }];
    await appendInStep(db, { sessionId, taskId: task.taskId, token: task.token, n: 1, events });
    await completeStep(db, reasonCommand(player, task, { seen: 1 }));
    await post(db, player, sessionId);
    await cancel(db, player, sessionId);
    const times = await sql<{ ts: Date; id: Uuid }>(db, 'select ts, id from events where session_id = $1 order by seq', [sessionId]);
    expect(new Set(times.map((row) => row.ts.getTime())).size).toBe(1);
    expect(times.map((row) => row.id).toSorted()).toEqual(times.map((row) => row.id));
  });

  test('ids of a session sort as its sequences do', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task);
    for (let n = 0; n < 5; n++) await post(db, player, sessionId);
    const ids = (await sql<{ id: Uuid }>(db, 'select id from events where session_id = $1 order by seq', [sessionId])).map((row) => row.id);
    expect(ids.toSorted()).toEqual(ids);
  });
});

describe('event ids are cursors', () => {
  const sequences = [1, 77, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, MAX_SEQUENCE];
  const sessions: Uuid[] = [
    '01999999-0000-7000-8000-000000000000',
    '01999999-0000-7000-8000-000000000fff',
    '01999999-0000-7000-8000-000000000a5c',
  ];

  test.each(sequences.flatMap((sequence) => sessions.map((sessionId) => ({ sequence, sessionId }))))(
    'SQL composes the id of sequence $sequence in $sessionId as the contract does',
    async ({ sequence, sessionId }) => {
      const atMs = 1_795_000_000_123;
      for (const noise of [0, 1, 2 ** 29 - 1, 123_456_789]) {
        const composed = await scalar<Uuid>(db, 'select event_id($1, $2, $3, $4)', [new Date(atMs), sessionId, sequence, noise]);
        expect(toPublicId('event', composed)).toBe(durableEventId(sessionId, sequence, atMs, noise));
      }
    },
  );

  test.each(sequences)('sequence %i comes back out of its id', async (sequence) => {
    const sessionId = player.ids.next();
    const id = await scalar<Uuid>(db, 'select event_id(now(), $1, $2, 42)', [sessionId, sequence]);
    expect(parseEventId(toPublicId('event', id))).toEqual({ kind: 'durable', sequence, sessionTag: sessionTag(sessionId) });
  });

  test('the ids in the log say their own sequence and session', async () => {
    const { sessionId } = await runningTurn(db, player);
    const rows = await sql<{ id: Uuid; seq: number }>(db, 'select id, seq from events where session_id = $1', [sessionId]);
    for (const row of rows) {
      expect(parseEventId(toPublicId('event', row.id))).toMatchObject({ sequence: row.seq, sessionTag: sessionTag(sessionId) });
    }
  });

  test('ids that SQL makes by uuidv7() are of version 7, of now, and in the order of their making when a millisecond lies between', async () => {
    const [first, second] = [
      await scalar<Uuid>(db, 'select uuidv7()'),
      await scalar<Uuid>(db, `select uuidv7() from (select pg_sleep(0.002)) s`),
    ];
    for (const id of [first, second]) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(first < second).toBe(true);
    expect(Math.abs(Number.parseInt(first.replaceAll('-', '').slice(0, 12), 16) - Date.now())).toBeLessThan(5_000);
  });
});
