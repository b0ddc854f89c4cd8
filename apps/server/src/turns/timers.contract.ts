import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Uuid } from '@everruns/contract';
import { answer, call, engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture } from './testing/fixture.ts';

let fixture: EngineFixture;
let worker: HandWorker;
let sessionId: Uuid;

beforeEach(async () => {
  fixture = await engineFixture();
  worker = new HandWorker(fixture.engine);
  sessionId = await fixture.session();
});
afterEach(async () => {
  worker.vanish();
  await fixture.close();
});

const timers = () => fixture.db.run({ name: 'test_timers', text: 'select kind from timers' });
const turns = () => fixture.engine.turns;

async function waiting(...callIds: string[]): Promise<void> {
  await turns().postMessage(SCOPE, { sessionId, ...said('Hi') });
  const { task, input } = await worker.reason();
  await worker.complete(task, answer(input, { text: '', calls: callIds.map((id) => call(id, { side: 'client' })) }));
  expect(await timers()).toEqual([{ kind: 'client_deadline' }]);
}

describe('the deadline of client-side calls', () => {
  test('goes with the last answer, and not before', async () => {
    await waiting('a', 'b');
    await turns().submitToolResults(SCOPE, sessionId, [{ toolCallId: 'a', result: 1 }]);
    expect(await timers()).toEqual([{ kind: 'client_deadline' }]);
    await turns().submitToolResults(SCOPE, sessionId, [{ toolCallId: 'b', result: 2 }]);
    expect(await timers()).toEqual([]);
  });

  test('goes with the message that ends the wait, and the one of the next wait stays', async () => {
    await waiting('a');
    await turns().postMessage(SCOPE, { sessionId, ...said('Never mind') });
    expect(await timers()).toEqual([]);
    const { task, input } = await worker.reason();
    await worker.complete(task, answer(input, { text: '', calls: [call('b', { side: 'client' })] }));
    expect(await timers()).toEqual([{ kind: 'client_deadline' }]);
  });

  test('goes with the turn that is cancelled', async () => {
    await waiting('a');
    await turns().cancel(SCOPE, sessionId);
    expect(await timers()).toEqual([]);
  });
});

test('the retry of a step goes with the turn that is cancelled', async () => {
  await turns().postMessage(SCOPE, { sessionId, ...said('Hi') });
  const { task } = await worker.reason();
  await worker.complete(task, { kind: 'failure', code: 'internal', message: 'broke', retryable: true });
  expect(await timers()).toEqual([{ kind: 'task' }]);
  await turns().cancel(SCOPE, sessionId);
  expect(await timers()).toEqual([]);
});
