import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Uuid } from '@everruns/contract';
import { answer, call, engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture } from './testing/fixture.ts';

let fixture: EngineFixture;
let worker: HandWorker;
beforeAll(async () => {
  fixture = await engineFixture({ releaseAfterMs: 20 });
  worker = new HandWorker(fixture.engine);
  await worker.take('welcome');
});
afterAll(async () => {
  worker.vanish();
  await fixture.close();
});

async function started(): Promise<Uuid> {
  const sessionId = await fixture.session();
  await fixture.engine.turns.postMessage(SCOPE, { sessionId, ...said('Hi') });
  return sessionId;
}

describe('what no database can store is stored all the same', () => {
  const BROKEN = 'a\u0000b\ud83d';
  const STORED = 'a\uFFFDb\uFFFD';

  test('in a model answer, its calls, a tool result and an event of a running step', async () => {
    const sessionId = await started();
    const { task, input } = await worker.reason();
    const events = Buffer.from(JSON.stringify([{ type: 'reason.item', data: { [BROKEN]: BROKEN } }]));
    worker.send({ $case: 'append', value: { taskId: task.taskId, token: task.token, n: 1, events } });
    expect(await worker.take('appended')).toMatchObject({ verdict: 'ok' });
    await worker.complete(task, answer(input, { text: BROKEN, calls: [call('t', { arguments: { text: BROKEN } })] }));
    const tool = await worker.tool('t');
    await worker.complete(tool.task, { kind: 'tool', status: 'success', result: { [BROKEN]: BROKEN }, duration_ms: 1, events: [] });
    const next = await worker.reason();
    expect(JSON.stringify(next.input.messages)).toContain(JSON.stringify({ [STORED]: STORED }));
    await worker.complete(next.task, answer(next.input));
    expect((await fixture.log(sessionId)).at(-1)?.type).toBe('session.idled');
  });

  test('in a checkpoint and in the words of a failure', async () => {
    const sessionId = await started();
    const { task } = await worker.reason();
    worker.send({
      $case: 'checkpoint',
      value: { taskId: task.taskId, token: task.token, n: 1, state: Buffer.from(JSON.stringify({ id: BROKEN })) },
    });
    expect(await worker.take('checkpointed')).toMatchObject({ verdict: 'ok' });
    await worker.complete(task, { kind: 'failure', code: 'bug', message: BROKEN, retryable: true });
    const again = await worker.reason();
    expect(JSON.parse(again.task.checkpoint.toString())).toEqual({ id: STORED });
    await worker.complete(again.task, answer(again.input));
    expect((await fixture.log(sessionId)).at(-1)?.type).toBe('session.idled');
  });
});
