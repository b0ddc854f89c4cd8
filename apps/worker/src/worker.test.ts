import { describe, expect, it } from 'vitest';
import { ModelDetached } from '@everruns/agent/model';
import { encodeInput, eventsOf, outcomeOf, wireTask } from '@everruns/testing/fake-control-plane';
import { finish, says, type ScriptStep } from '@everruns/testing/fake-model';
import { startFakeWorker } from '@everruns/testing/start-fake-worker';
import { reasonInput, toolInput } from '@everruns/testing/step-fixtures';

const REASON = encodeInput(reasonInput());
const slow: ScriptStep[] = [
  { waitMs: 50 },
  { type: 'text', delta: 'One' },
  { waitMs: 200 },
  { type: 'text', delta: ' two' },
  { waitMs: 5_000 },
  finish(),
];
const tool = (overrides: Partial<Parameters<typeof toolInput>[0]> = {}) =>
  encodeInput(toolInput({ name: 'do', capability: { ref: 'x' }, ...overrides }));

async function attached(script: ScriptStep[][] = [], settings = {}) {
  const fake = startFakeWorker(script, settings);
  await fake.clock.settle();
  fake.plane.link.welcome();
  await fake.clock.settle();
  return fake;
}

describe('an attached worker', () => {
  it('introduces itself with its boot id and what it can take on', async () => {
    const { plane } = await attached();
    expect(plane.link.all('hello')).toEqual([
      {
        workerId: 'worker-1',
        bootId: 'boot-1',
        held: [],
        slots: [
          { pool: 'reason', capacity: 20 },
          { pool: 'tool', capacity: 5 },
        ],
        hostname: 'host',
        version: '0',
        workerGroup: '',
        attachNo: 1,
      },
    ]);
  });

  it('beats each second with its loop delay and its free seats', async () => {
    const { plane, clock } = await attached([slow]);
    plane.link.assign({ input: REASON });
    await clock.advance(1_000);
    await clock.advance(1_000);
    expect(plane.link.all('beat')).toEqual(
      [1, 2].map((n) => ({
        n,
        loopDelayMs: 7,
        free: [
          { pool: 'reason', capacity: 19 },
          { pool: 'tool', capacity: 5 },
        ],
      })),
    );
  });

  it('runs a reason step, streams it and completes it', async () => {
    const { plane, clock } = await attached([slow]);
    plane.link.assign({ input: REASON, attempt: 2 });
    await clock.advance(6_000);
    const kinds = plane.link.said.map(({ $case }) => $case).filter((kind) => kind !== 'beat');
    expect(kinds).toEqual(['hello', 'append', 'delta', 'delta', 'complete']);
    expect(plane.link.all('append').map(({ n, token, events }) => [n, token, JSON.parse(events.toString()) as unknown])).toMatchObject([
      [1, 'token_1', [{ type: 'output.message.started' }]],
    ]);
    expect(plane.link.all('delta')).toMatchObject([
      { token: 'token_1', sessionId: 'session_1', attempt: 2, stream: 'output', offset: 0, text: 'One' },
      { offset: 3, text: ' two' },
    ]);
    const [complete] = plane.link.all('complete');
    expect(complete).toMatchObject({ taskId: 'task_1', token: 'token_1', acceptsNext: true });
    expect(complete && outcomeOf(complete)).toMatchObject({ kind: 'reason', success: true, text: 'One two', events: [] });
  });

  it('runs a tool call and completes it', async () => {
    const { plane, clock, tools } = await attached();
    plane.link.assign({ pool: 'tool', input: tool({ arguments: { a: 1 } }) });
    await clock.settle();
    tools.calls[0]?.settle({ status: 'success', json: '{"ok":1}' });
    await clock.settle();
    expect(plane.link.all('complete').map(outcomeOf)).toMatchObject([{ kind: 'tool', status: 'success', result: { ok: 1 } }]);
  });

  it('starts the task that comes with the answer to a completion', async () => {
    const { plane, clock, models } = await attached([says('A'), says('B')]);
    plane.link.assign({ input: REASON });
    await clock.settle();
    const next = wireTask({ token: 'token_2', taskId: 'task_2', input: REASON });
    plane.link.send({ $case: 'completed', value: { taskId: 'task_1', token: 'token_1', verdict: 'ok', next } });
    await clock.settle();
    expect(plane.link.all('complete').map(({ token }) => token)).toEqual(['token_1', 'token_2']);
    expect(models.requests).toHaveLength(2);
  });

  it('runs a task once, however often it is assigned', async () => {
    const { plane, clock, models } = await attached([slow]);
    plane.link.assign({ input: REASON });
    plane.link.assign({ input: REASON });
    await clock.settle();
    expect(models.requests).toHaveLength(1);
  });

  it('reports a bug of a step as a failure and lives on', async () => {
    const { plane, clock, logged } = await attached([[new TypeError('key sk-secret is not a function')], says('Fine')]);
    plane.link.assign({ input: REASON });
    await clock.settle();
    plane.link.assign({ input: REASON, token: 'token_2' });
    await clock.settle();
    expect(plane.link.all('complete').map(outcomeOf)).toMatchObject([
      { kind: 'failure', code: 'internal', message: 'key *** is not a function', retryable: true },
      { kind: 'reason', text: 'Fine' },
    ]);
    expect(JSON.stringify(logged)).not.toContain('sk-secret');
  });

  it('refuses an input that it cannot read, for good', async () => {
    const { plane, clock } = await attached();
    plane.link.assign({ input: Buffer.from('{') });
    await clock.settle();
    expect(plane.link.all('complete').map(outcomeOf)).toMatchObject([{ kind: 'failure', code: 'malformed_input', retryable: false }]);
  });

  it('ends a step that exceeds its time, in case the control plane does not', async () => {
    const { plane, clock } = await attached([['hang']]);
    plane.link.assign({ input: REASON, startToCloseMs: 2_000 });
    plane.link.assign({ pool: 'tool', token: 'token_2', input: tool(), startToCloseMs: 3_000 });
    await clock.advance(3_000);
    expect(plane.link.all('complete').map(outcomeOf)).toMatchObject([
      { kind: 'failure', code: 'start_to_close', retryable: true },
      { kind: 'tool', status: 'timeout' },
    ]);
  });

  it('sends heartbeats for tasks that ask for them', async () => {
    const { plane, clock } = await attached();
    plane.link.assign({ pool: 'tool', input: tool(), heartbeatMs: 900 });
    await clock.advance(1_000);
    expect(plane.link.all('heartbeat')).toHaveLength(3);
  });
});

describe('cancel', () => {
  it('aborts model and tool calls at once, and nothing more is said under the lease', async () => {
    const { plane, clock, tools, models } = await attached([slow]);
    plane.link.assign({ input: REASON });
    plane.link.assign({ pool: 'tool', token: 'token_2', input: tool() });
    await clock.advance(100);
    const before = plane.link.said.length;
    plane.link.send({ $case: 'cancel', value: { token: 'token_1', reason: 'cancelled' } });
    plane.link.send({ $case: 'cancel', value: { token: 'token_2', reason: 'cancelled' } });
    await clock.settle();
    expect(tools.calls[0]?.hooks.signal.reason).toMatchObject({ message: 'cancelled' });
    await clock.advance(900);
    expect(plane.link.said.slice(before).map(({ $case }) => $case)).toEqual(['beat']);
    expect(models.requests).toHaveLength(1);
    expect(plane.link.all('beat').at(-1)?.free).toEqual([
      { pool: 'reason', capacity: 20 },
      { pool: 'tool', capacity: 5 },
    ]);
  });

  it.each([
    ['lost', true],
    ['start_to_close', true],
    ['cancelled', false],
  ])('with reason %s leaves a response that the provider keeps running: %s', async (reason, isLeftRunning) => {
    const { plane, clock, tools } = await attached();
    plane.link.assign({ pool: 'tool', input: tool() });
    await clock.settle();
    plane.link.send({ $case: 'cancel', value: { token: 'token_1', reason } });
    await clock.settle();
    expect(tools.calls[0]?.hooks.signal.reason instanceof ModelDetached).toBe(isLeftRunning);
  });

  it('comes as well with the refusal of an append', async () => {
    const { plane, clock } = await attached([slow]);
    plane.link.assign({ input: REASON });
    await clock.advance(100);
    plane.link.send({ $case: 'appended', value: { token: 'token_1', n: 1, verdict: 'ended', sequences: [] } });
    await clock.advance(6_000);
    expect(plane.link.all('complete')).toEqual([]);
  });
});

describe('a checkpoint', () => {
  const kept: ScriptStep[] = [{ type: 'resumable', state: { id: 'r1' } }, ...says('Text')];

  it('holds the step until the control plane has it', async () => {
    const { plane, clock } = await attached([kept]);
    plane.link.assign({ input: REASON });
    await clock.advance(4_000);
    expect(plane.link.all('checkpoint').map(({ n, state }) => [n, state.toString()])).toEqual([[1, '{"resume":{"id":"r1"}}']]);
    expect(plane.link.all('complete')).toEqual([]);
    plane.link.send({ $case: 'checkpointed', value: { token: 'token_1', n: 1, verdict: 'ok' } });
    await clock.settle();
    expect(plane.link.all('complete').map(outcomeOf)).toMatchObject([{ text: 'Text' }]);
  });

  it('of an earlier attempt comes with the task', async () => {
    const { plane, clock, models } = await attached([says('Rest')]);
    plane.link.assign({ input: REASON, attempt: 2, checkpoint: Buffer.from('{"resume":{"id":"r1"}}') });
    await clock.settle();
    expect(models.requests[0]?.resume).toEqual({ id: 'r1' });
  });
});

describe('a connection that breaks', () => {
  it('is made again at once, with what the worker holds, while its steps go on', async () => {
    const { plane, clock, models } = await attached([slow]);
    plane.link.assign({ input: REASON });
    await clock.advance(100);
    plane.link.cut();
    await clock.settle();
    expect(plane.links).toHaveLength(2);
    expect(plane.link.all('hello')).toMatchObject([{ bootId: 'boot-1', held: [{ taskId: 'task_1', token: 'token_1' }] }]);
    await clock.advance(300);
    plane.link.welcome();
    await clock.settle();
    // The event that began the text was not answered; the text since then comes as one.
    expect(plane.link.all('append').map(eventsOf)).toMatchObject([[{ type: 'output.message.started' }]]);
    expect(plane.link.all('delta')).toMatchObject([{ offset: 0, text: 'One two' }]);
    await clock.advance(6_000);
    expect(plane.link.all('complete').map(outcomeOf)).toMatchObject([{ text: 'One two' }]);
    expect(models.requests).toHaveLength(1);
  });

  it('repeats also an answered event as long as its text is open, so that another instance knows it', async () => {
    const { plane, clock } = await attached([slow]);
    plane.link.assign({ input: REASON });
    await clock.advance(100);
    plane.link.send({ $case: 'appended', value: { token: 'token_1', n: 1, verdict: 'ok', sequences: [5] } });
    await clock.settle();
    plane.link.cut(new Error('reset'));
    await clock.settle();
    plane.link.welcome();
    await clock.settle();
    expect(plane.link.said.map(({ $case }) => $case)).toEqual(['hello', 'append', 'delta']);
  });

  it('does not lose an outcome that was reached meanwhile', async () => {
    const { plane, clock } = await attached([says('Done')]);
    plane.link.cut();
    plane.unreachable = new Error('down');
    await clock.settle();
    plane.unreachable = null;
    await clock.advance(100);
    plane.link.welcome();
    await clock.settle();
    plane.link.assign({ input: REASON });
    plane.link.cut();
    await clock.advance(100);
    plane.link.welcome();
    await clock.settle();
    expect(plane.link.all('complete').map(outcomeOf)).toMatchObject([{ text: 'Done' }]);
  });

  it('repeats an outcome until it is answered, and then never again', async () => {
    const { plane, clock } = await attached([says('Done')]);
    plane.link.assign({ input: REASON });
    await clock.settle();
    for (let round = 0; round < 2; round++) {
      plane.link.cut();
      await clock.settle();
      plane.link.welcome();
      await clock.settle();
      expect(plane.link.all('complete')).toHaveLength(1);
    }
    plane.link.send({ $case: 'completed', value: { taskId: 'task_1', token: 'token_1', verdict: 'ok', next: undefined } });
    await clock.settle();
    plane.link.cut();
    await clock.settle();
    expect(plane.link.all('hello')[0]?.held).toEqual([]);
  });

  it('repeats an outcome also when the lease is said to be gone: it may have been taken already', async () => {
    const { plane, clock } = await attached([says('Done')]);
    plane.link.assign({ input: REASON });
    await clock.settle();
    plane.link.cut();
    await clock.settle();
    plane.link.welcome([]);
    await clock.settle();
    expect(plane.link.all('complete')).toHaveLength(1);
    plane.link.send({ $case: 'completed', value: { taskId: 'task_1', token: 'token_1', verdict: 'lost', next: undefined } });
    await clock.settle();
    plane.link.cut();
    await clock.settle();
    expect(plane.link.all('hello')[0]?.held).toEqual([]);
  });

  it('ends the steps whose leases were lost meanwhile', async () => {
    const { plane, clock, tools } = await attached([slow]);
    plane.link.assign({ input: REASON });
    plane.link.assign({ pool: 'tool', token: 'token_2', input: tool() });
    await clock.advance(100);
    plane.link.cut();
    await clock.settle();
    plane.link.welcome(['token_2']);
    await clock.advance(6_000);
    expect(plane.link.all('complete')).toEqual([]);
    expect(tools.calls[0]?.hooks.signal.aborted).toBe(false);
    expect(plane.link.all('delta')).toEqual([]);
  });

  it('repeats a checkpoint that was not answered', async () => {
    const { plane, clock } = await attached([[{ type: 'resumable', state: { id: 'r1' } }, ...says('Text')]]);
    plane.link.assign({ input: REASON });
    await clock.settle();
    plane.link.cut();
    await clock.settle();
    plane.link.welcome();
    await clock.settle();
    expect(plane.link.all('checkpoint')).toHaveLength(1);
  });

  it('is tried again for as long as it takes', async () => {
    const { plane, clock } = await attached();
    plane.unreachable = new Error('down');
    plane.link.cut();
    await clock.advance(60_000);
    plane.unreachable = null;
    await clock.advance(2_000);
    expect(plane.links).toHaveLength(2);
  });

  it('is given up when the control plane accepts it and says nothing', async () => {
    const fake = startFakeWorker();
    await fake.clock.advance(5_000);
    expect(fake.plane.links[0]?.isClosed).toBe(true);
    await fake.clock.advance(100);
    expect(fake.plane.links).toHaveLength(2);
  });

  it('is given up when the control plane falls silent', async () => {
    const { plane, clock } = await attached();
    plane.isSilent = true;
    await clock.advance(5_900);
    expect(plane.links).toHaveLength(1);
    await clock.advance(200);
    expect(plane.links).toHaveLength(2);
    expect(plane.links[0]?.isClosed).toBe(true);
  });
});

describe('a worker that is stopped', () => {
  it('takes nothing new, gives back what has not begun, and ends when the rest has', async () => {
    const { plane, clock, tools, worker } = await attached([slow]);
    plane.link.assign({ input: REASON });
    plane.link.assign({ pool: 'tool', token: 'queued', taskId: 'task_2', input: tool() });
    plane.link.assign({ pool: 'tool', token: 'running', taskId: 'task_3', input: tool() });
    await clock.settle();
    tools.calls[1]?.hooks.started();
    const stopped = worker.stop();
    await clock.settle();
    expect(plane.link.all('draining')).toHaveLength(1);
    expect(plane.link.all('release')).toEqual([{ leases: [{ taskId: 'task_2', token: 'queued' }], reason: 'drain' }]);
    plane.link.assign({ input: REASON, token: 'late', taskId: 'task_4' });
    await clock.settle();
    expect(plane.link.all('release')[1]).toEqual({ leases: [{ taskId: 'task_4', token: 'late' }], reason: 'drain' });
    tools.calls[1]?.settle({ status: 'success', json: '1' });
    await clock.advance(6_000);
    expect(plane.link.all('complete').map(({ token, acceptsNext }) => [token, acceptsNext])).toEqual([
      ['running', false],
      ['token_1', false],
    ]);
    expect(plane.link.isClosed).toBe(false);
    for (const token of ['running', 'token_1']) {
      plane.link.send({ $case: 'completed', value: { taskId: '', token, verdict: 'ok', next: undefined } });
    }
    await stopped;
    await worker.done;
    expect(plane.link.isClosed).toBe(true);
  });

  it('hands over, when its time is up, what nobody can have noticed, and leaves the rest to the control plane', async () => {
    const { plane, clock, tools, worker } = await attached([['hang'], slow], { drainTimeoutMs: 2_000 });
    plane.link.assign({ input: REASON, token: 'silent', taskId: 'task_1' });
    await clock.settle();
    plane.link.assign({ input: REASON, token: 'spoke', taskId: 'task_2' });
    plane.link.assign({ pool: 'tool', token: 'reads', taskId: 'task_3', input: tool({ effect: 'readonly' }) });
    plane.link.assign({ pool: 'tool', token: 'pays', taskId: 'task_4', input: tool() });
    await clock.advance(100);
    for (const { hooks } of tools.calls) hooks.started();
    const stopped = worker.stop();
    await clock.advance(2_000);
    await stopped;
    expect(plane.link.all('release').flatMap(({ leases }) => leases.map(({ token }) => token))).toEqual(['silent', 'reads']);
    expect(plane.link.all('complete')).toEqual([]);
    expect(tools.calls.map(({ hooks }) => hooks.signal.aborted)).toEqual([true, true]);
    expect(clock.timers).toBe(0);
  });

  it('drains when the control plane asks for it', async () => {
    const { plane, clock, worker } = await attached();
    plane.link.send({ $case: 'drain', value: {} });
    await clock.settle();
    await worker.done;
    expect(plane.link.isClosed).toBe(true);
  });

  it('says so again on a new connection, and offers no seats', async () => {
    const { plane, clock, worker } = await attached([slow]);
    plane.link.assign({ input: REASON });
    await clock.settle();
    void worker.stop();
    plane.link.cut();
    await clock.settle();
    expect(plane.link.all('hello')[0]?.slots.map(({ capacity }) => capacity)).toEqual([0, 0]);
    plane.link.welcome();
    await clock.settle();
    expect(plane.link.all('draining')).toHaveLength(1);
  });

  it('leaves at once when there is no connection and nothing to do', async () => {
    const { plane, clock, worker } = await attached();
    plane.unreachable = new Error('down');
    plane.link.cut();
    await clock.settle();
    await worker.stop();
    await worker.done;
    expect(clock.timers).toBe(0);
  });
});

describe('a worker that was never attached', () => {
  it('gives up after the connect time-out, saying why', async () => {
    const fake = startFakeWorker([], { connectTimeoutMs: 10_000 });
    fake.plane.unreachable = new Error('127.0.0.1:9001: connection refused');
    fake.plane.links.at(0)?.cut();
    await fake.clock.advance(15_000);
    await expect(fake.worker.done).rejects.toThrow('No control plane within 10 s: 127.0.0.1:9001: connection refused');
    expect(fake.logged.filter(({ message }) => message === 'waiting for the control plane')).toHaveLength(1);
  });
});
