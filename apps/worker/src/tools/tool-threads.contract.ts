import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { startEffectSimulator } from '@everruns/testing/kill/effect-simulator';
import type { OpAnswer } from '@everruns/agent/session-access';
import type { ToolExecution } from '@everruns/agent/tools/execute-tool';
import { createToolThreads, type ToolThreads } from './tool-threads.ts';

let pool: ToolThreads | undefined;

afterEach(async () => {
  await pool?.stop();
  pool = undefined;
});

function create(options: { maxThreads?: number; minThreads?: number; modules?: string[] } = {}): ToolThreads {
  const { maxThreads = 4, minThreads = 1, modules = ['@everruns/testing/test-capabilities'] } = options;
  pool = createToolThreads({ capabilityModules: modules, memoryMb: 64, env: { TZ: 'UTC' }, minThreads, maxThreads });
  return pool;
}

const never = new Promise<never>(() => undefined);
const noSession = (): Promise<OpAnswer> => Promise.resolve({ problem: { code: 'not_found', message: 'There is no such session.' } });

interface RunOptions {
  call?: (op: string, args: unknown) => Promise<OpAnswer>;
  signal?: AbortSignal;
  progress?: (message: string) => void;
  started?: () => void;
}

function run(threads: ToolThreads, tool: string, args: unknown = {}, options: RunOptions = {}): Promise<ToolExecution> {
  const context = { session_id: 's', org_id: 'o', turn_id: 't', tool_call_id: 'c', idempotency_key: 'k', attempt: 1 };
  const ref = tool.startsWith('test_') ? 'test_tools' : 'current_time';
  return threads.execute(
    { capability: { ref }, tool, arguments: args, context },
    { signal: new AbortController().signal, progress: () => undefined, started: () => undefined, call: noSession, ...options },
  );
}

/** A call that runs: it has reported progress. */
async function whenRunning(threads: ToolThreads, tool: string, args: unknown = {}) {
  const abort = new AbortController();
  const begun = Promise.withResolvers<void>();
  const result = run(threads, tool, args, { signal: abort.signal, progress: () => begun.resolve() });
  result.catch(() => undefined);
  await begun.promise;
  return { abort, result };
}

/** A result, and the most threads that there were at a time until it came: the first may be gone by then. */
async function mostThreads<T>(threads: ToolThreads, pending: Promise<T>): Promise<{ result: T; most: number }> {
  let most = threads.threads;
  let isPending = true;
  const ended = pending.finally(() => (isPending = false));
  while (isPending) {
    await turnOfTheLoop();
    most = Math.max(most, threads.threads);
  }
  return { result: await ended, most };
}

describe('tool threads', () => {
  it('run built-in tools and those of modules', async () => {
    const threads = create();
    expect(await run(threads, 'get_current_time', { timezone: 'Asia/Tokyo' })).toMatchObject({ status: 'success' });
    expect(await run(threads, 'test_sleep', { ms: 1 })).toEqual({ status: 'success', json: '{"slept_ms":1}' });
  });

  it('tell progress and limit results', async () => {
    const threads = create();
    const heard: string[] = [];
    await run(threads, 'test_progress', { message: 'half way' }, { progress: (message) => void heard.push(message) });
    expect(heard).toEqual(['half way']);
    const big = await run(threads, 'test_big_result', { bytes: 10_000_000 });
    expect(big.status === 'success' && big.json.length).toBeLessThanOrEqual(65_536);
  });

  it('see only the environment that they are given', async () => {
    expect(await run(create(), 'test_environment')).toEqual({ status: 'success', json: '["TZ"]' });
  });

  it('answer without starting anything when they are warm', async () => {
    const threads = create();
    await run(threads, 'get_current_time');
    const times: number[] = [];
    for (let call = 0; call < 50; call++) {
      const startedMs = performance.now();
      await run(threads, 'get_current_time');
      times.push(performance.now() - startedMs);
    }
    expect(times.sort((a, b) => a - b)[25]).toBeLessThan(20);
    expect(threads.threads).toBe(1);
  });

  it('run calls beside each other up to the limit, and the rest when one ends', async () => {
    const threads = create({ maxThreads: 3 });
    const results = Array.from({ length: 7 }, () => run(threads, 'test_sleep', { ms: 30 }));
    await Promise.all(results);
    expect(threads.threads).toBeLessThanOrEqual(3);
  });
});

describe('a tool that asks something of its session', () => {
  it('gets the answer', async () => {
    const asked: unknown[] = [];
    const call = (op: string, args: unknown): Promise<OpAnswer> => (asked.push([op, args]), Promise.resolve({ value: { value: 'blue' } }));
    expect(await run(create(), 'test_recall', { key: 'colour' }, { call })).toEqual({ status: 'success', json: '{"recalled":"blue"}' });
    expect(asked).toEqual([['kv.get', { key: 'colour' }]]);
  });

  it('ends with the problem as its error, for the model to read', async () => {
    const call = (): Promise<OpAnswer> => Promise.resolve({ problem: { code: 'resource_limit_reached', message: 'That is too much.' } });
    expect(await run(create(), 'test_recall', { key: 'colour' }, { call })).toEqual({ status: 'error', error: 'That is too much.' });
  });

  it('fails as a fault of the platform when that broke', async () => {
    const call = (): Promise<OpAnswer> => Promise.resolve({ problem: { code: 'internal', message: 'not for models' } });
    expect(await run(create(), 'test_recall', { key: 'colour' }, { call })).toMatchObject({
      status: 'error',
      error: expect.not.stringContaining('models') as unknown,
    });
  });

  it('is ended like any other while it waits', async () => {
    const threads = create();
    const abort = new AbortController();
    const asking = Promise.withResolvers<void>();
    const result = run(threads, 'test_recall', { key: 'colour' }, { signal: abort.signal, call: () => (asking.resolve(), never) });
    result.catch(() => undefined);
    await asking.promise;
    abort.abort(new Error('cancelled'));
    await expect(result).rejects.toThrow('cancelled');
    expect(await run(threads, 'get_current_time')).toMatchObject({ status: 'success' });
  });
});

describe('a tool that blocks for ever', () => {
  it('holds up nobody else, and its thread is replaced when it is aborted', async () => {
    const threads = create({ maxThreads: 2 });
    await run(threads, 'get_current_time');
    const { abort, result } = await whenRunning(threads, 'test_block');
    expect(await run(threads, 'get_current_time')).toMatchObject({ status: 'success' });
    const abortedMs = performance.now();
    abort.abort(new Error('cancelled'));
    await expect(result).rejects.toThrow('cancelled');
    expect(performance.now() - abortedMs).toBeLessThan(500);
    // Both places are usable again.
    await Promise.all([run(threads, 'test_sleep', { ms: 50 }), run(threads, 'test_sleep', { ms: 50 })]);
  });
});

describe('a tool that ignores its abort', () => {
  it('is ended by force, and another thread takes its place meanwhile', async () => {
    const threads = create({ maxThreads: 1 });
    const { abort, result } = await whenRunning(threads, 'test_ignore_abort');
    abort.abort(new Error('cancelled'));
    await expect(result).rejects.toThrow('cancelled');
    const next = await mostThreads(threads, run(threads, 'get_current_time'));
    expect(next).toMatchObject({ result: { status: 'success' }, most: 2 });
    await expect.poll(() => threads.threads, { timeout: 5_000 }).toBe(1);
  });
});

describe('a tool that listens to its abort', () => {
  it('leaves its thread to the next call', async () => {
    const threads = create({ maxThreads: 1 });
    const { abort, result } = await whenRunning(threads, 'test_sleep', { ms: 60_000, tell: true });
    abort.abort(new Error('cancelled'));
    await expect(result).rejects.toThrow('cancelled');
    const startedMs = performance.now();
    await run(threads, 'get_current_time');
    expect(performance.now() - startedMs).toBeLessThan(900);
  });
});

describe('a tool that allocates without end', () => {
  it.each(['heap', 'buffers'])('on the %s is stopped and told so', async (kind) => {
    const threads = create();
    expect(await run(threads, 'test_allocate', { kind })).toEqual({
      status: 'error',
      error: 'The tool was stopped: it needed more than 64 MiB of memory.',
    });
    expect(await run(threads, 'get_current_time')).toMatchObject({ status: 'success' });
  });
});

describe('a tool that breaks', () => {
  it.each([
    ['throw', /a bug in the tool/],
    ['reject', /nobody waits for this/],
    ['exit', /ended its thread|thread of the tool was ended/],
  ])('by %s is told to the model in general words', async (how, fault) => {
    const threads = create();
    const execution = await run(threads, 'test_fail', { how });
    expect(execution).toMatchObject({ status: 'error', error: 'The tool failed because of an internal error.' });
    expect(execution).toHaveProperty('fault', expect.stringMatching(fault));
    expect(await run(threads, 'test_sleep', { ms: 1 })).toMatchObject({ status: 'success' });
  });
});

describe('a call', () => {
  it('that waits for a thread has not started, and leaves the queue when it is aborted', async () => {
    const threads = create({ maxThreads: 1 });
    const first = { result: run(threads, 'test_sleep', { ms: 200 }) };
    const abort = new AbortController();
    let started = false;
    const second = run(threads, 'test_sleep', { ms: 1 }, { signal: abort.signal, started: () => (started = true) });
    abort.abort(new Error('given back'));
    await expect(second).rejects.toThrow('given back');
    expect(await first.result).toMatchObject({ status: 'success' });
    expect(started).toBe(false);
  });

  it('has its effect exactly once behind a call that left its thread blocked', async () => {
    const world = await startEffectSimulator();
    const threads = create({ maxThreads: 1 });
    try {
      await run(threads, 'test_poison');
      const url = `http://127.0.0.1:${world.port}/effects`;
      expect(await run(threads, 'test_effect', { url, effect_id: 'e1' })).toMatchObject({ status: 'success' });
      expect(world.effects.map(({ effectId }) => effectId)).toEqual(['e1']);
    } finally {
      await world.close();
    }
  });

  it('is told when threads cannot start at all', async () => {
    const threads = create({ modules: ['./no-such-module.ts'] });
    await expect(run(threads, 'get_current_time')).rejects.toThrow(/tool threads cannot start: .*no-such-module/s);
  });
});
