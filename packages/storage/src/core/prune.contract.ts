import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import { prune, pruneAll } from './prune.ts';
import { openTransaction } from './testing/locks.ts';
import { scalar, sql } from './testing/sql.ts';
import { call, cancel, completeReason, openSession, post, runningTurn } from './testing/turn-driver.ts';
import { joinAsInstance, openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';

let world: World;
let db: Database;
beforeAll(async () => {
  world = await openWorld(await testDatabase());
  ({ db } = world);
});
beforeEach(() => world.reset());
afterAll(() => world.close());

const ended = (n: number) =>
  sql(
    db,
    `insert into workflows (id, org_id, kind, version, status, state, revision, ended_at)
       select gen_random_uuid(), gen_random_uuid(), 'turn', 1, 'completed', '{}', 1, now() - interval '8 days' from generate_series(1, $1)`,
    [n],
  );
const left = (table = 'workflows') => scalar<number>(db, `select count(*)::int from ${table}`);

/** A turn that waited for its client and was cancelled this long ago: it has history, a call, and a timer that was left behind. */
async function endedTurn(ago: string): Promise<Uuid> {
  const { sessionId, task } = await runningTurn(db, world.player);
  await completeReason(db, world.player, task, [call('a', { side: 'client' })]);
  await cancel(db, world.player, sessionId);
  await sql(
    db,
    `insert into timers (id, due_at, kind, org_id, session_id, workflow_id, payload) select gen_random_uuid(), now(), 'task', org_id, session_id, id, '{}'
       from workflows where id = $1`,
    [task.workflowId],
  );
  await sql(db, 'update workflows set ended_at = now() - $2::interval where id = $1', [task.workflowId, ago]);
  return task.workflowId;
}

const letterOf = (workflowId: Uuid, ago: string) =>
  sql(
    db,
    `insert into dead_letters (id, org_id, session_id, workflow_id, pool, step, payload, attempts, error_history, dead_at)
       select gen_random_uuid(), org_id, session_id, id, 'reason', 1, '{}', 5, '[]', now() - $2::interval from workflows where id = $1`,
    [workflowId, ago],
  );

/** Which workflows each table that belongs to them still knows. */
async function keptOf(table: string, column = 'workflow_id'): Promise<Uuid[]> {
  return (await sql<{ id: Uuid }>(db, `select distinct ${column} as id from ${table} order by 1`)).map((row) => row.id);
}

describe('pruning', () => {
  test('all that is old enough goes, however much has come since the last time', async () => {
    await ended(1_200);
    expect(await prune(db)).toBe(500);
    await pruneAll(db, () => false);
    expect(await left()).toBe(0);
  });

  test('it stops between two rounds when it is time for other things', async () => {
    await ended(1_200);
    await pruneAll(db, () => true);
    expect(await left()).toBe(700);
  });

  test('an ended turn is kept for seven days, with its history, calls and timers, and then goes with all of them', async () => {
    const [kept, gone] = [await endedTurn('6 days 23 hours'), await endedTurn('7 days 1 hour')];
    const running = (await runningTurn(db, world.player)).task.workflowId;
    expect(await keptOf('timers')).toEqual([kept, gone]);
    await prune(db);
    expect(await keptOf('workflows', 'id')).toEqual([kept, running]);
    expect(await keptOf('workflow_events')).toEqual([kept, running]);
    expect(await keptOf('tool_calls')).toEqual([kept]);
    expect(await keptOf('timers')).toEqual([kept]);
  });

  test('a turn that a dead letter may revive is kept as long as the letter: thirty days', async () => {
    const [kept, gone] = [await endedTurn('40 days'), await endedTurn('40 days')];
    await letterOf(kept, '29 days 23 hours');
    await letterOf(gone, '30 days 1 hour');
    await prune(db);
    expect(await keptOf('dead_letters')).toEqual([kept]);
    expect(await keptOf('workflows', 'id')).toEqual([kept]);
  });

  test('what another instance is pruning is passed over, not waited for', async () => {
    const [busy, gone] = [await endedTurn('9 days'), await endedTurn('8 days')];
    const other = await openTransaction(db, (tx) => sql(tx, 'select 1 from workflows where id = $1 for update', [busy]));
    expect(await prune(db)).toBe(1);
    expect(await keptOf('workflows', 'id')).toEqual([busy]);
    await other.commit();
    expect(gone).not.toBe(busy);
  });
});

describe('W14: what is left of a session is a whole log or none', () => {
  const remove = (sessionId: Uuid) =>
    sql(db, `with h as (delete from session_heads where session_id = $1) update sessions set deleted_at = now() where id = $1`, [
      sessionId,
    ]);
  const lengthen = (sessionId: Uuid, to: number) =>
    sql(
      db,
      `insert into events (session_id, seq, id, type, ts, context, data)
         select $1, n, gen_random_uuid(), 'tool.progress', now(), '{}', '{}' from generate_series(4, $2::int) n`,
      [sessionId, to],
    );
  const sequences = async (sessionId: Uuid) =>
    (await sql<{ seq: number }>(db, 'select seq from events where session_id = $1 order by seq', [sessionId])).map((row) => row.seq);

  async function posted(length = 3): Promise<Uuid> {
    const sessionId = await openSession(db, world.player);
    await post(db, world.player, sessionId, { key: world.player.ids.random() });
    await lengthen(sessionId, length);
    return sessionId;
  }

  test('a deleted session goes with its events and message keys, another one keeps everything', async () => {
    const [kept, gone] = [await posted(), await posted()];
    await remove(gone);
    await pruneAll(db, () => false);
    expect(await keptOf('sessions', 'id')).toEqual([kept]);
    expect(await keptOf('events', 'session_id')).toEqual([kept]);
    expect(await keptOf('message_keys', 'session_id')).toEqual([kept]);
    expect(await sequences(kept)).toEqual([1, 2, 3]);
  });

  test('a long one goes from its beginning, in batches, and its row last', async () => {
    const sessionId = await posted(1_100);
    await remove(sessionId);
    const seen: unknown[] = [];
    for (let round = 0; round < 4; round++) {
      await prune(db);
      seen.push([(await sequences(sessionId))[0] ?? null, await left('sessions')]);
    }
    expect(seen).toEqual([
      [501, 1],
      [1_001, 1],
      [null, 1],
      [null, 0],
    ]);
  });

  test('many short ones do not wait for the next time', async () => {
    for (let n = 0; n < 45; n++) await remove(await posted());
    await pruneAll(db, () => false);
    expect([await left('events'), await left('sessions')]).toEqual([0, 0]);
  });
});

test('workers that have gone for a day are forgotten, those of living instances are not', async () => {
  const { instanceId } = world.player;
  const add = (id: string, at: string, options: { instance?: string; status?: string } = {}) =>
    sql(
      db,
      `insert into workers (id, boot_id, instance_id, attachment, pools, status, last_seen_at)
         values ($1, gen_random_uuid(), $2, gen_random_uuid(), '{}', $3, now() - $4::interval)`,
      [id, options.instance ?? instanceId, options.status ?? 'running', at],
    );
  const gone = '01933b5a-0000-7000-8000-0000000000aa';
  const lost = world.player.ids.next();
  await sql(db, `insert into instances (id, versions, lost_at) values ($1, '{}', now() - interval '1 minute')`, [lost]);
  await add('attached for long', '9 days');
  await add('stopped long ago', '2 days', { status: 'stopped' });
  await add('stopped just now', '1 hour', { status: 'stopped' });
  await add('of an instance that is gone', '2 days', { instance: gone });
  await add('of an instance that is lost', '2 days', { instance: lost });
  await add('of one that has just gone', '1 hour', { instance: gone });
  await prune(db);
  const kept = await sql<{ id: string }>(db, 'select id from workers order by id');
  expect(kept.map((row) => row.id)).toEqual(['attached for long', 'of one that has just gone', 'stopped just now']);
});

test('a lost instance is forgotten after an hour, when no lease stands in its name any more', async () => {
  const { ids, instanceId } = world.player;
  const [recent, old, holding] = [ids.next(), ids.next(), ids.next()];
  const holder = { ...world.player, instanceId: holding };
  await joinAsInstance(db, holder);
  await runningTurn(db, holder);
  const lose = (id: Uuid, ago: string) =>
    sql(
      db,
      `insert into instances (id, versions, lost_at) values ($1, '{}', now() - $2::interval) on conflict (id) do update set lost_at = excluded.lost_at`,
      [id, ago],
    );
  await lose(recent, '59 minutes');
  await lose(old, '61 minutes');
  await lose(holding, '2 hours');
  await prune(db);
  expect(await keptOf('instances', 'id')).toEqual([instanceId, recent, holding].toSorted());
});
