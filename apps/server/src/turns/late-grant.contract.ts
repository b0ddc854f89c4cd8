import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Uuid } from '@everruns/contract';
import { engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture } from './testing/fixture.ts';

/** Leases that are granted when nobody is there any more to work on them. */

let fixture: EngineFixture;
const workers: HandWorker[] = [];

beforeEach(async () => {
  fixture = await engineFixture({ releaseAfterMs: 20 });
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.vanish();
  await fixture.close();
});

/** Far less than the time after which leases that nobody holds are looked for anyway. */
const AT_ONCE_MS = 5_000;

async function attached(): Promise<HandWorker> {
  const worker = new HandWorker(fixture.engine);
  workers.push(worker);
  await worker.take('welcome');
  return worker;
}

async function post(): Promise<Uuid> {
  const sessionId = await fixture.session();
  await fixture.engine.turns.postMessage(SCOPE, { sessionId, ...said('Hi') });
  return sessionId;
}

async function untilNobodyIsAttached(): Promise<void> {
  while (fixture.engine.workers().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a task that was claimed for a worker that has gone is given back at once, as unstarted', async () => {
  const sessionId = await post();
  const claiming = fixture.engine.faults.hold('claim_tasks');
  const gone = await attached();
  await claiming.reached;
  const looked = fixture.engine.faults.holdReply('leases_of_attachment');
  gone.vanish();
  await untilNobodyIsAttached();
  await looked.reached; // what it has left behind: nothing yet
  claiming.release();
  looked.release();
  const worker = await attached();
  const startedMs = performance.now();
  const { task, input } = await worker.reason();
  expect(performance.now() - startedMs).toBeLessThan(AT_ONCE_MS);
  expect([task.sessionId, input.attempt]).toEqual([sessionId, 2]);
  expect(await fixture.db.run({ name: 'test_losses', text: 'select losses, failures from leases' })).toEqual([{ losses: 0, failures: 0 }]);
});

test('a task whose turn was cancelled while its input was read is handed to nobody', async () => {
  const worker = await attached();
  const reading = fixture.engine.faults.hold('prompt_messages');
  const sessionId = await post();
  await reading.reached;
  await fixture.engine.turns.cancel(SCOPE, sessionId);
  reading.release();
  const { token } = await worker.take('cancel');
  const second = await post();
  const { task } = await worker.reason();
  expect(task.sessionId).toBe(second);
  expect(task.token).not.toBe(token);
});

test('a task of a lost worker, and one whose delay is over, are handed on at once: no later beat is needed', async () => {
  const first = await attached();
  await post();
  await first.reason();
  const second = await attached();
  await fixture.engine.beat();
  const lost = fixture.engine.faults.hold('instance_beat');
  first.vanish();
  const { task } = await second.reason();
  lost.release();
  await second.complete(task, { kind: 'failure', code: 'bug', message: 'oops', retryable: true });
  await fixture.db.run({ name: 'test_due', text: 'update timers set due_at = engine_now()' });
  await fixture.engine.beat();
  const delayed = fixture.engine.faults.hold('instance_beat');
  expect((await second.reason()).input.attempt).toBe(3);
  delayed.release();
});

test('W11: a task that its worker does not name when it attaches again was never delivered: it goes back without a loss', async () => {
  const first = await attached();
  await post();
  const { task } = await first.reason();
  const again = new HandWorker(fixture.engine, { workerId: first.workerId, bootId: first.bootId, held: [] });
  workers.push(again);
  const next = await again.reason();
  expect([next.task.taskId, next.input.attempt]).toEqual([task.taskId, 2]);
  expect(await fixture.db.run({ name: 'test_unstarted', text: 'select losses from leases' })).toEqual([{ losses: 0 }]);
});
