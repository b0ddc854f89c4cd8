import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ReasonInput, Uuid } from '@everruns/contract';
import type { Task } from '@everruns/contract/generated/worker';
import { answer, call, engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture, TestEngine } from './testing/fixture.ts';

let fixture: EngineFixture;
let leaving: TestEngine;
let worker: HandWorker;
const workers: HandWorker[] = [];

beforeEach(async () => {
  fixture = await engineFixture({ silentAfterMs: 60_000 });
  leaving = fixture.engine;
  worker = await attached(leaving);
});
afterEach(async () => {
  for (const each of workers.splice(0)) each.vanish();
  await fixture.close();
});

async function attached(to: TestEngine, options: ConstructorParameters<typeof HandWorker>[1] = {}): Promise<HandWorker> {
  const attaching = new HandWorker(to, options);
  workers.push(attaching);
  await attaching.take('welcome');
  return attaching;
}

async function reasoning(): Promise<{ sessionId: Uuid; task: Task; input: ReasonInput }> {
  const sessionId = await fixture.session();
  await leaving.turns.postMessage(SCOPE, { sessionId, ...said('Hi') });
  return { sessionId, ...(await worker.reason()) };
}

const again = (held: Task[]) => ({ workerId: worker.workerId, bootId: worker.bootId, held });

async function undisturbed(sessionId: Uuid): Promise<void> {
  const types = (await fixture.log(sessionId)).map((event) => event.type);
  expect(types.at(-1)).toBe('session.idled');
  expect(types).not.toContain('reason.recovered');
}

describe('an instance that is shut down', () => {
  test('sends its workers to the others and waits until they have arrived with what they hold', async () => {
    const staying = await fixture.another();
    await leaving.beat();
    const { sessionId, task, input } = await reasoning();
    leaving.drain();
    let isOver = false;
    const handing = leaving.handOver().then(() => {
      isOver = true;
    });
    expect(await worker.ended).toBeNull();
    await staying.beat();
    expect(isOver).toBe(false);
    const there = await attached(staying, again([task]));
    await handing;
    await leaving.stop();
    await staying.beat();
    expect(await there.complete(task, answer(input))).toBe('ok');
    await undisturbed(sessionId);
  });

  test('records what was said before it says good-bye', async () => {
    const { sessionId, task, input } = await reasoning();
    const writing = leaving.faults.hold('complete_plain_step');
    worker.send({
      $case: 'complete',
      value: { taskId: task.taskId, token: task.token, outcome: Buffer.from(JSON.stringify(answer(input))), acceptsNext: true },
    });
    await writing.reached;
    leaving.drain();
    const handing = leaving.handOver();
    writing.release();
    expect(await worker.take('completed')).toMatchObject({ verdict: 'ok' });
    await handing;
    await undisturbed(sessionId);
  });

  test('keeps nobody waiting when it is the last', async () => {
    await reasoning();
    leaving.faults.hold('leases_of_instance'); // would be asked who has not arrived elsewhere yet
    leaving.drain();
    await leaving.handOver();
    await leaving.stop();
  });

  test('hands out nothing more, not even along with an answer', async () => {
    const { task, input } = await reasoning();
    await worker.complete(task, answer(input, { text: '', calls: [call('a')] }));
    const tool = await worker.tool('a');
    leaving.drain();
    expect(await worker.complete(tool.task, { kind: 'tool', status: 'success', result: 1, duration_ms: 1, events: [] })).toBe('ok');
    expect(await fixture.db.run({ name: 'test_queue', text: 'select pool from ready' })).toEqual([{ pool: 'reason' }]);
  });
});

test('W6: an instance that cannot renew sends its workers to the others, and releases nothing of theirs', async () => {
  const other = await fixture.another();
  await leaving.beat();
  const { sessionId, task, input } = await reasoning();
  leaving.faults.away = true;
  expect(await worker.ended).toBeNull();
  const refused = new HandWorker(leaving, again([task]));
  expect(await refused.ended).toMatchObject({ name: 'WorkerRefused' });
  const there = await attached(other, again([task]));
  leaving.faults.away = false;
  await leaving.beat();
  expect(await there.complete(task, answer(input))).toBe('ok');
  await undisturbed(sessionId);
});

test('W6: an instance that cannot renew releases nothing, although its database answers', async () => {
  const other = await fixture.another();
  await leaving.beat();
  const { sessionId, task, input } = await reasoning();
  const hanging = leaving.faults.hold('instance_beat');
  expect(await worker.ended).toBeNull();
  await new Promise((resolve) => setTimeout(resolve, 600)); // twice the time that a broken stream has
  const there = await attached(other, again([task]));
  expect(await there.complete(task, answer(input))).toBe('ok');
  hanging.release();
  await undisturbed(sessionId);
});

test('W6: workers that were sent away for nothing have all of their time to come back from when they can', async () => {
  await fixture.another().then((dead) => (dead.faults.away = true)); // not yet known to be lost
  await leaving.beat();
  const { sessionId, task, input } = await reasoning();
  leaving.faults.away = true;
  expect(await worker.ended).toBeNull();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  leaving.faults.away = false;
  await leaving.beat();
  await new Promise((resolve) => setTimeout(resolve, 1_800));
  const back = await attached(leaving, again([task]));
  expect(await back.complete(task, answer(input))).toBe('ok');
  await undisturbed(sessionId);
});

test('W6: an instance that is alone keeps its workers while the database is away', async () => {
  const { sessionId, task, input } = await reasoning();
  leaving.faults.away = true;
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  leaving.faults.away = false;
  expect(await worker.complete(task, answer(input))).toBe('ok');
  await undisturbed(sessionId);
});

test('W6: an instance that was declared lost takes its workers in anew, with what they hold', async () => {
  const { sessionId, task, input } = await reasoning();
  await fixture.db.run({ name: 'test_lose', text: 'update instances set lost_at = engine_now()' });
  const before = leaving.peers.instanceId;
  await leaving.beat();
  expect(leaving.peers.instanceId).not.toBe(before);
  expect(await worker.ended).toBeNull();
  const anew = await attached(leaving, again([task]));
  expect(await anew.complete(task, answer(input))).toBe('ok');
  await undisturbed(sessionId);
});
