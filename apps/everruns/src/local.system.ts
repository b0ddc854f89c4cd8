import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { childPid, freePrefix, postmasterPid, startProcess, untilGone, type LocalProcess } from '../test/local-process.ts';
import { accountFor, canEnter } from './postgres/account.ts';
import { removeDataDirectory } from './postgres/data-directory.ts';
import { signal } from './processes/identity.ts';

let folder: string;
let home: string;
let portPrefix: number;
let running: LocalProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'everruns-local-'));
  await chmod(folder, 0o755);
  home = join(folder, '.everruns');
  portPrefix = await freePrefix();
  running = [];
});

afterEach(async () => {
  for (const process of running) process.signal('SIGTERM');
  await Promise.all(running.map((process) => process.exit));
  await removeDataDirectory(join(home, 'postgres')).catch(() => undefined); // some tests have no directory there
  await rm(folder, { recursive: true, force: true });
});

function start(options: Partial<Parameters<typeof startProcess>[0]> = {}): LocalProcess {
  const process = startProcess({ home, portPrefix, ...options });
  running.push(process);
  return process;
}

async function startReady(options: Partial<Parameters<typeof startProcess>[0]> = {}): Promise<LocalProcess> {
  const process = start(options);
  await process.line(/^Everruns is ready after/);
  return process;
}

/** Everything that belongs to the one at `home`. */
function allPids(process: LocalProcess): [number, number, number, number] {
  return [process.pid, pidOf('server'), pidOf('worker'), postmasterPid(home)];
}

function pidOf(name: 'server' | 'worker'): number {
  const pid = childPid(home, name);
  if (pid === undefined) throw new Error(`No ${name} is running.`);
  return pid;
}

function killAll(pids: number[]): void {
  for (const pid of pids) signal(pid, 'SIGKILL');
}

async function expectRefusal(process: LocalProcess, line: RegExp): Promise<void> {
  expect(await process.exit).toBe(1);
  expect(process.output).toMatch(/^[^\n]+\n$/);
  expect(process.output.trimEnd()).toMatch(line);
}

test('Ctrl-C ends worker, server and PostgreSQL in this order with exit code 0, and rows are there at the next start', async () => {
  const first = await startReady();
  expect(await first.fetch('/rows', 'POST')).toBe('1');
  await first.line(/^worker: standing by/);
  const pids = allPids(first);
  first.signal('SIGINT');
  first.signal('SIGINT'); // the terminal's and npm's arrive together and are one
  expect(await first.exit).toBe(0);
  await untilGone(...pids);
  expect(first.output).toMatch(/Stopping .*\nworker: drained\n$/);
  const second = await startReady();
  expect(await second.fetch('/rows')).toBe('1');
});

test('keys are made once and only their owner can read them', async () => {
  const file = join(home, 'secrets.env');
  const first = await startReady();
  const made = await readFile(file, 'utf8');
  expect(made).toMatch(/^WORKER_GRPC_AUTH_TOKEN=\S{43}\nSECRETS_ENCRYPTION_KEY=kek-v1:\S{44}\n/);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const environment = JSON.parse(await first.fetch('/environment')) as Record<string, string>;
  expect(made).toContain(`SECRETS_ENCRYPTION_KEY=${environment.SECRETS_ENCRYPTION_KEY}\n`);
  first.signal('SIGTERM');
  await first.exit;
  await startReady();
  expect(await readFile(file, 'utf8')).toBe(made);
});

test('a child that dies is started again and one line says so', async () => {
  const local = await startReady();
  for (const name of ['worker', 'server'] as const) {
    const pid = pidOf(name);
    signal(pid, 'SIGKILL');
    expect(await local.line(new RegExp(`The ${name} ended`))).toBe(`The ${name} ended (SIGKILL); it is started again in 100 ms.`);
    await expect.poll(() => childPid(home, name) ?? pid, { timeout: 10_000 }).not.toBe(pid);
  }
  await expect.poll(() => local.fetch('/health').catch(() => ''), { timeout: 10_000 }).toBe(String(childPid(home, 'server')));
});

test('PostgreSQL that dies is started again, and the server goes on with its rows', async () => {
  const local = await startReady();
  await local.fetch('/rows', 'POST');
  const pid = postmasterPid(home);
  signal(pid, 'SIGKILL');
  await local.line(/^PostgreSQL ended; it is started again\.$/);
  await expect.poll(() => local.fetch('/rows').catch(() => ''), { timeout: 20_000 }).toBe('1');
  expect(postmasterPid(home)).not.toBe(pid);
});

test('after kill -9 of everything the next start has all rows', async () => {
  const first = await startReady();
  await first.fetch('/rows', 'POST');
  const pids = allPids(first);
  killAll(pids);
  await untilGone(...pids);
  const second = await startReady();
  expect(await second.fetch('/rows')).toBe('1');
});

test('after kill -9 of the supervisor alone its children end, and the next start adopts PostgreSQL', async () => {
  const first = await startReady();
  await first.fetch('/rows', 'POST');
  const [supervisor, server, worker, postmaster] = allPids(first);
  signal(supervisor, 'SIGKILL');
  await untilGone(supervisor, server, worker);
  const second = await startReady();
  expect(postmasterPid(home)).toBe(postmaster);
  expect(await second.fetch('/rows')).toBe('1');
});

test('after kill -9 of the supervisor the next start replaces a child that can no longer notice it', async () => {
  const first = await startReady();
  const worker = pidOf('worker');
  signal(worker, 'SIGSTOP');
  signal(first.pid, 'SIGKILL');
  await first.exit;
  await startReady();
  await untilGone(worker);
});

test('a worker that is lost in code that never returns is killed and replaced', async () => {
  const local = await startReady();
  const worker = pidOf('worker');
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // its first beat must have come
  signal(worker, 'SIGUSR2');
  await local.line(/^The worker has not answered for 5 s and is killed\.$/);
  await expect.poll(() => childPid(home, 'worker') ?? worker, { timeout: 10_000 }).not.toBe(worker);
});

test('a second start on the same data is one line and exit code 1, and the first goes on', async () => {
  const first = await startReady();
  await expectRefusal(start({ portPrefix: await freePrefix() }), /^Another Everruns is running on .*\.everruns/);
  await first.fetch('/rows', 'POST');
  expect(first.output).not.toContain('started again');
});

test('a start with other ports after kill -9 of the supervisor restarts PostgreSQL with them', async () => {
  const first = await startReady();
  await first.fetch('/rows', 'POST');
  signal(first.pid, 'SIGKILL');
  await first.exit;
  portPrefix = await freePrefix();
  const second = await startReady();
  expect(await second.fetch('/rows')).toBe('1');
  expect(second.output).toContain(`-p ${portPrefix}32 `);
});

test('of two first starts at the same moment one runs and the other is refused', async () => {
  const both = [start(), start()];
  const winner = await Promise.any(both.map(async (process) => process.line(/^Everruns is ready/).then(() => process)));
  await expectRefusal(both.find((process) => process !== winner) as LocalProcess, /^Another Everruns is running/);
  expect(await winner.fetch('/rows', 'POST')).toBe('1');
});

test.each([
  ['01', 'HTTP'],
  ['02', 'gRPC for workers'],
])('a busy port (%s) is one line and exit code 1, and nothing stays behind', async (last, purpose) => {
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(Number(`${portPrefix}${last}`), '127.0.0.1', resolve));
  await expectRefusal(
    start(),
    new RegExp(`^127\\.0\\.0\\.1:${portPrefix}${last} \\(${purpose}\\) is in use by another program: .*PORT_PREFIX`),
  );
  await expect(stat(join(home, 'postgres', 'postmaster.pid'))).rejects.toThrow('ENOENT');
  blocker.close();
});

test("when PostgreSQL's port is busy its Unix socket is enough", async () => {
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(Number(`${portPrefix}32`), '127.0.0.1', resolve));
  const local = await startReady();
  expect(await local.fetch('/rows', 'POST')).toBe('1');
  blocker.close();
});

test.each([
  ['a directory that denies access', () => mkdir(home, { mode: 0o500 })],
  ['a file in place of the directory', () => writeFile(home, '')],
  [
    'a path through a file',
    async () => {
      await writeFile(join(folder, 'file'), '');
      home = join(folder, 'file', '.everruns');
    },
  ],
])('%s is one line and exit code 1', async (_, prepare) => {
  await prepare();
  await expectRefusal(start(), /^Everruns cannot use its data directory .*\.everruns: .*\.$/);
  home = join(folder, '.everruns');
});

test('a server that does not start is one line with its own words and exit code 1', async () => {
  const local = start({ env: { STAND_IN_SERVER: 'refuse' } });
  expect(await local.exit).toBe(1);
  expect(local.output).toMatch(/^The server did not start \(exit code 1: PostgreSQL 17 or newer is needed\)\.\n$/m);
  expect(local.output).not.toContain('started again');
});

/** What only root can arrange; for an ordinary user all tests above are the test of an ordinary user. */
if (process.getuid?.() === 0) {
  test('as root below a private folder it starts, keeps its rows and starts again', async () => {
    await chmod(folder, 0o700);
    const first = await startReady();
    await first.fetch('/rows', 'POST');
    killAll(allPids(first));
    await first.exit;
    const second = await startReady();
    expect(await second.fetch('/rows')).toBe('1');
  });

  const nobody = await accountFor('/nonexistent');
  if (canEnter(join(import.meta.dirname, '..', '..', '..', 'node_modules'), nobody)) {
    test("an ordinary user starts it, and PostgreSQL is that user's", async () => {
      await chown(folder, nobody?.uid ?? 0, nobody?.gid ?? 0);
      const local = await startReady({ user: { uid: nobody?.uid ?? 0, gid: nobody?.gid ?? 0 } });
      expect(await local.fetch('/rows', 'POST')).toBe('1');
      expect((await stat(`/proc/${postmasterPid(home)}`)).uid).toBe(nobody?.uid);
    });
  }
}
