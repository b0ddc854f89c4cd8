import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import { acceptMessage } from './accept.ts';
import type { AcceptResult } from './accept.ts';
import type { ClaimedTask } from './claim.ts';
import { loseInstance } from './instances.ts';
import { leasesOfInstance, orphanedLeases, requeueLease } from './leases.ts';
import { openTransaction, untilBlocked } from './testing/locks.ts';
import { changedTables, dumpDatabase, scalar, sql } from './testing/sql.ts';
import {
  call,
  cancel,
  claim,
  claimOne,
  completeReason,
  logTypes,
  openSession,
  post,
  postCommand,
  runningTurn,
} from './testing/turn-driver.ts';
import type { Player, PostOptions } from './testing/turn-driver.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';

/** A message that comes with a free seat is accepted and claimed in one statement. */

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

const offer = (sessionId: Uuid, options: PostOptions = {}) => post(db, player, sessionId, { ...options, seated: true });
const taskOf = (result: AcceptResult): ClaimedTask | null => (result.verdict === 'started' ? result.task : null);
const counts = () => sql(db, 'select (select count(*)::int from ready) as ready, (select count(*)::int from leases) as leases');

describe('a turn that starts with a seat at hand', () => {
  test('is leased in the statement that stores its message, with its start event', async () => {
    const sessionId = await openSession(db, player);
    const result = await offer(sessionId);
    expect(await counts()).toEqual([{ ready: 0, leases: 1 }]);
    expect(await logTypes(db, sessionId)).toEqual(['input.message', 'turn.started', 'session.activated', 'reason.started']);
    expect(result).toMatchObject({ verdict: 'started', events: [{ sequence: 1 }, { sequence: 2 }, { sequence: 3 }, { sequence: 4 }] });
    expect(await scalar(db, 'select last_seq || $1 || last_input_seq from session_heads', [' '])).toBe('4 1');
  });

  test('gives the task that a claim would have given', async () => {
    const sessionId = await openSession(db, player);
    const command = postCommand(player, sessionId, { seated: true });
    const granted = taskOf(await acceptMessage(db, command));
    const [lease] = await leasesOfInstance(db, player.instanceId);
    if (granted === null || lease === undefined) throw new Error('The seat was not taken.');
    await requeueLease(db, { lease, losses: 0, failures: 0, delayMs: 0 });
    await sql(db, 'update ready set attempt = 0');
    await sql(db, `delete from events where type = 'reason.started'`);
    await sql(db, 'update session_heads set last_seq = last_seq - 1');
    const claimed = await claimOne(db, player, 'reason');
    const comparable = ({ started, ...task }: ClaimedTask) => ({
      ...task,
      token: null,
      started: { ...started, id: null, ts: null },
    });
    expect(comparable(granted)).toEqual(comparable(claimed));
    expect({ ...lease, progress: null }).toMatchObject({
      token: command.seat?.token,
      payload: granted.payload,
      bootId: player.seat.bootId,
    });
  });

  test('goes on like any other: a tool, an answer, an end', async () => {
    const sessionId = await openSession(db, player);
    const task = taskOf(await offer(sessionId));
    if (task === null) throw new Error('The seat was not taken.');
    expect(await completeReason(db, player, task, [call('a')])).toMatchObject({ verdict: 'ok' });
    expect(await claim(db, player, 'tool')).toHaveLength(1);
  });

  test('has its deadline', async () => {
    await offer(await openSession(db, player));
    expect(await scalar(db, 'select round(extract(epoch from deadline - started_at))::int from leases')).toBe(3_600);
  });
});

describe('R12: the seat stays free', () => {
  const queued = async (act: () => Promise<AcceptResult>) => {
    const [before] = await counts();
    const result = await act();
    const [after] = await counts();
    expect(result).toMatchObject({ verdict: 'started', task: null });
    expect(after).toEqual({ ready: (before?.['ready'] as number) + 1, leases: before?.['leases'] });
  };

  test('while another task waits in the pool, of whatever organization', async () => {
    const other = player.ids.next();
    await post(db, player, await openSession(db, player, other), { orgId: other });
    const sessionId = await openSession(db, player);
    await queued(() => offer(sessionId));
    expect(await logTypes(db, sessionId)).toEqual(['input.message', 'turn.started', 'session.activated']);
  });

  test('while as many tasks wait as seats are free, and is taken when fewer do', async () => {
    for (let n = 0; n < 3; n++) await post(db, player, await openSession(db, player));
    await queued(async () => offer(await openSession(db, player), { freeSeats: 3 }));
    expect(taskOf(await offer(await openSession(db, player), { freeSeats: 5 }))).not.toBeNull();
  });

  test('not because of tasks that wait in another pool', async () => {
    const { task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a')]);
    expect(taskOf(await offer(await openSession(db, player)))).not.toBeNull();
  });

  test('when the organization is at its cap', async () => {
    await runningTurn(db, player);
    await queued(async () => offer(await openSession(db, player), { orgCap: 1 }));
  });

  test('when its instance is lost or was never there', async () => {
    const sessionId = await openSession(db, player);
    await loseInstance(db, { id: player.instanceId, beat: 0 });
    await queued(() => offer(sessionId));
    await sql(db, 'delete from ready');
    player.instanceId = player.ids.next();
    await queued(async () => offer(await openSession(db, player)));
  });

  test('when the message starts no turn', async () => {
    const { sessionId } = await runningTurn(db, player);
    expect(await offer(sessionId)).toMatchObject({ verdict: 'steered' });
    expect(await counts()).toEqual([{ ready: 0, leases: 1 }]);
    expect((await logTypes(db, sessionId)).at(-1)).toBe('input.message');
  });

  test('when nothing is stored at all', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const key = player.ids.random();
    await post(db, player, sessionId, { key });
    await completeReason(db, player, task, [call('a', { side: 'client' })]);
    const idle = await openSession(db, player);
    await post(db, player, idle, { key });
    await cancel(db, player, idle);
    const before = await dumpDatabase(db);
    expect([await offer(sessionId), await offer(idle, { key }), await offer(player.ids.next())]).toEqual([
      { verdict: 'waiting' },
      { verdict: 'duplicate' },
      { verdict: 'not_found' },
    ]);
    expect(changedTables(before, await dumpDatabase(db))).toEqual([]);
  });
});

describe('W3, W6, W11: the lease is one like any other', () => {
  test('a cancel that waits for the message finds it', async () => {
    const sessionId = await openSession(db, player);
    const accepting = await openTransaction(db, (tx) => post(tx, player, sessionId, { seated: true }));
    const cancelling = cancel(db, player, sessionId);
    await untilBlocked(db);
    await accepting.commit();
    expect((await cancelling)?.dropped.map((lease) => lease.token)).toEqual([taskOf(accepting.result)?.token]);
  });

  test('two messages at once take one seat', async () => {
    const sessionId = await openSession(db, player);
    const results = await Promise.all([offer(sessionId), offer(sessionId)]);
    expect(results.map((result) => result.verdict).toSorted()).toEqual(['started', 'steered']);
    expect(await counts()).toEqual([{ ready: 0, leases: 1 }]);
  });

  test('one that its instance never delivered is swept when the instance is lost', async () => {
    const task = taskOf(await offer(await openSession(db, player)));
    await loseInstance(db, { id: player.instanceId, beat: 0 });
    expect((await orphanedLeases(db, 10)).map((lease) => lease.token)).toEqual([task?.token]);
  });

  test('after an unknown outcome the token tells whether the seat was taken', async () => {
    const sessionId = await openSession(db, player);
    const command = postCommand(player, sessionId, { seated: true, key: player.ids.random() });
    await acceptMessage(db, command);
    expect(await acceptMessage(db, command)).toEqual({ verdict: 'duplicate' });
    expect((await leasesOfInstance(db, player.instanceId)).map((lease) => lease.token)).toEqual([command.seat?.token]);
  });
});
