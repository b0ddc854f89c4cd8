import { afterEach, beforeEach, expect, test } from 'vitest';
import { engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture } from './testing/fixture.ts';

let fixture: EngineFixture;
let worker: HandWorker | undefined;

beforeEach(async () => {
  fixture = await engineFixture();
});
afterEach(async () => {
  worker?.vanish();
  await fixture.close();
});

/** What is measured would come with a beat, too. */
function withoutBeats(): void {
  for (let n = 0; n < 20; n++) fixture.engine.faults.refuse('instance_beat');
}

test.each([
  ['cut before it took effect', 'refuse'],
  ['cut after it took effect', 'loseReply'],
] as const)('a claim whose connection is %s is made again at once, not with the next beat', async (_when, fault) => {
  const sessionId = await fixture.session();
  await fixture.engine.turns.postMessage(SCOPE, { sessionId, ...said('Hi') });
  withoutBeats();
  for (let n = 0; n < 2; n++) fixture.engine.faults[fault]('claim_tasks'); // one for each pool
  const startedMs = performance.now();
  worker = new HandWorker(fixture.engine);
  const { task } = await worker.reason();
  expect(task.sessionId).toBe(sessionId);
  expect(performance.now() - startedMs).toBeLessThan(1_500);
});
