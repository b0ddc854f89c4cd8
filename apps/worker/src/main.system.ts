import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeInput, outcomeOf, wireTask } from '@everruns/testing/fake-control-plane';
import { freePort } from '@everruns/testing/free-port';
import { startGrpcControlPlane, type GrpcControlPlane } from '@everruns/testing/grpc-control-plane';
import { reasonInput, toolInput } from '@everruns/testing/step-fixtures';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function controlPlane(options: { token?: string } = {}): Promise<GrpcControlPlane> {
  const plane = await startGrpcControlPlane(options);
  cleanUps.push(() => plane.stop());
  return plane;
}

interface WorkerProcess {
  child: ChildProcess;
  /** Standard error so far. */
  readonly errors: string;
  exit: Promise<number | null>;
}

function startProcess(env: Record<string, string>): WorkerProcess {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH ?? '', EVERRUNS_CAPABILITY_MODULES: '@everruns/testing/test-capabilities', ...env },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  cleanUps.push(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return {
    child,
    exit,
    get errors() {
      return errors;
    },
  };
}

const until = (condition: () => boolean, timeout = 20_000) => expect.poll(condition, { timeout, interval: 10 }).toBe(true);
const call = (token: string, name: string, args: unknown, effect: 'readonly' | 'unsafe' = 'readonly') =>
  wireTask({
    pool: 'tool',
    taskId: token,
    token,
    startToCloseMs: 3_000,
    input: encodeInput(toolInput({ id: token, name, arguments: args, effect, capability: { ref: 'test_tools', name: 'Test tools' } })),
  });

function assign(plane: GrpcControlPlane, task: ReturnType<typeof wireTask>): void {
  plane.streams.at(-1)?.send({ $case: 'assign', value: { task } });
}

function answer(plane: GrpcControlPlane, token: string): void {
  plane.streams.at(-1)?.send({ $case: 'completed', value: { taskId: token, token, verdict: 'ok', next: undefined } });
}

describe('a worker process', () => {
  it('answers with the simulated model, and drains on SIGTERM', async () => {
    const plane = await controlPlane({ token: 'right' });
    const worker = startProcess({ WORKER_GRPC_ADDRESS: plane.address, WORKER_GRPC_AUTH_TOKEN: 'right', WORKER_ID: 'w1' });
    await until(() => plane.streams.length === 1);
    expect(plane.all('hello')).toMatchObject([{ workerId: 'w1', version: '0.1.0', slots: [{ capacity: 200 }, { capacity: 50 }] }]);
    const input = reasonInput({ model: { provider_type: 'llmsim', model: 'llmsim' } });
    assign(plane, wireTask({ input: encodeInput(input) }));
    await until(() => plane.all('complete').length === 1);
    expect(plane.all('complete').map(outcomeOf)).toMatchObject([{ kind: 'reason', success: true }]);
    answer(plane, 'token_1');
    worker.child.kill('SIGTERM');
    expect(await worker.exit).toBe(0);
    expect(plane.all('draining')).toHaveLength(1);
    expect(worker.errors).toBe('');
  });

  it('keeps beating and working while tools block, allocate and ignore their abort', async () => {
    const plane = await controlPlane();
    startProcess({ WORKER_GRPC_ADDRESS: plane.address });
    await until(() => plane.streams.length === 1);
    for (const name of ['test_block', 'test_ignore_abort']) assign(plane, call(name, name, {}, 'unsafe'));
    assign(plane, { ...call('test_allocate', 'test_allocate', {}, 'unsafe'), startToCloseMs: 60_000 });
    await until(() => plane.all('complete').length === 3, 60_000);
    expect(Object.fromEntries(plane.all('complete').map((complete) => [complete.token, outcomeOf(complete)]))).toMatchObject({
      test_block: { status: 'timeout' },
      test_ignore_abort: { status: 'timeout' },
      test_allocate: { status: 'error', error: 'The tool was stopped: it needed more than 256 MiB of memory.' },
    });
    assign(plane, call('after', 'test_sleep', { ms: 1 }));
    await until(() => plane.all('complete').length === 4);
    expect(plane.streams).toHaveLength(1);
    expect(plane.all('beat').length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...plane.all('beat').map(({ loopDelayMs }) => loopDelayMs))).toBeLessThan(2_000);
  });

  it('ends when the process that started it is gone', async () => {
    const plane = await controlPlane();
    const worker = startProcess({ WORKER_GRPC_ADDRESS: plane.address, EVERRUNS_PARENT_PIPE: '1' });
    await until(() => plane.streams.length === 1);
    assign(plane, call('sleeping', 'test_sleep', { ms: 2_500 }));
    await until(() => plane.all('beat').length > 0);
    worker.child.stdin?.end();
    expect(await worker.exit).toBe(0);
    expect(plane.all('release')).toMatchObject([{ leases: [{ token: 'sleeping' }] }]);
  });

  it.each<[string, (address: string) => Record<string, string>, RegExp]>([
    [
      'a wrong token',
      (address) => ({ WORKER_GRPC_ADDRESS: address, WORKER_GRPC_AUTH_TOKEN: 'wrong' }),
      /^The control plane refused this worker: .*\n$/,
    ],
    ['wrong settings', () => ({ MAX_CONCURRENT_TASKS: 'many' }), /^Wrong settings: MAX_CONCURRENT_TASKS: must be a whole number\.\n$/],
    [
      'a capability module that is not there',
      () => ({ EVERRUNS_CAPABILITY_MODULES: './none.ts' }),
      /^The capability module "\.\/none\.ts" could not be loaded: .*\n$/,
    ],
  ])('with %s says so in one line and exits with 1', async (_, env, line) => {
    const plane = await controlPlane({ token: 'right' });
    const worker = startProcess(env(plane.address));
    expect(await worker.exit).toBe(1);
    expect(worker.errors).toMatch(line);
  });

  it('without a control plane in time says so in one line and exits with 1', async () => {
    const port = await freePort();
    const worker = startProcess({ WORKER_GRPC_ADDRESS: `127.0.0.1:${port}`, WORKER_GRPC_CONNECT_TIMEOUT: '1' });
    expect(await worker.exit).toBe(1);
    expect(worker.errors).toMatch(new RegExp(`^No control plane within 1 s: 127\\.0\\.0\\.1:${port}: .*ECONNREFUSED.*\\n$`));
  });
});
