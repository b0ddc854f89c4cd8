import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { apiOf, type Api } from '../test/api.ts';
import { childPid, freePrefix, postmasterPid, startProcess, untilGone, type LocalProcess } from '../test/local-process.ts';
import { removeDataDirectory } from './postgres/data-directory.ts';
import { signal } from './processes/identity.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const MAIN = '../src/main.ts';
const QUESTION = 'What time is it?';

let folder: string;
let home: string;
let portPrefix: number;
let api: Api;
let running: LocalProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'everruns-whole-'));
  await chmod(folder, 0o755);
  home = join(folder, '.everruns');
  portPrefix = await freePrefix();
  api = apiOf(portPrefix);
  running = [];
});

afterEach(async () => {
  for (const process of running) process.signal('SIGTERM');
  await Promise.all(running.map((process) => process.exit));
  await removeDataDirectory(join(home, 'postgres'));
  await rm(folder, { recursive: true, force: true });
});

async function startReady(env: NodeJS.ProcessEnv = {}): Promise<LocalProcess> {
  const process = startProcess({ home, portPrefix, main: MAIN, env });
  running.push(process);
  await process.line(/^Everruns is ready after/);
  return process;
}

/** A message whose simulated answer takes about six seconds. */
function slowTask(): string {
  const text = Array.from({ length: 40 }, (_, index) => `word${index}`).join(' ');
  return `Take your time.\n\n\`\`\`llmsim\n${JSON.stringify({ turns: [{ text, chunk_delay_ms: 150 }] })}\n\`\`\``;
}

async function typesOf(sessionId: string): Promise<string[]> {
  return (await api.events(sessionId)).map((event) => event.type);
}

test('the first request leads to turn.completed', async () => {
  await startReady();
  const session = await api.createSession();
  await api.post(session, QUESTION);
  await api.untilEvent(session, 'session.idled');
  expect(await typesOf(session)).toEqual(expect.arrayContaining(['input.message', 'turn.started', 'tool.completed', 'turn.completed']));
});

test('a turn that kill -9 of all processes interrupted is finished by the next start', async () => {
  const first = await startReady();
  const session = await api.createSession('llmsim-script');
  await api.post(session, slowTask());
  await api.untilEvent(session, 'output.message.started');
  const pids = [first.pid, childPid(home, 'server') ?? -1, childPid(home, 'worker') ?? -1, postmasterPid(home)];
  for (const pid of pids) signal(pid, 'SIGKILL');
  await untilGone(...pids);
  await startReady();
  await api.untilEvent(session, 'session.idled');
  const events = await api.events(session);
  expect(events.map((event) => event.sequence)).toEqual(events.map((_, index) => index + 1));
  const ends = events.filter((event) => /^turn\.(completed|failed|cancelled|sealed)$/.test(event.type));
  expect(ends.map((event) => event.type)).toEqual(['turn.completed']);
});

test('a worker that dies in mid-turn is replaced, and the turn ends once', async () => {
  await startReady();
  const session = await api.createSession('llmsim-script');
  await api.post(session, slowTask());
  await api.untilEvent(session, 'output.message.started');
  signal(childPid(home, 'worker') ?? -1, 'SIGKILL');
  await api.untilEvent(session, 'session.idled');
  expect((await typesOf(session)).filter((type) => type === 'turn.completed')).toHaveLength(1);
});

test('npm run worker adds a worker that leaves in order', async () => {
  await startReady();
  await expect.poll(() => api.workers(), { timeout: 10_000 }).toBe(1);
  const further = startProcess({ home, portPrefix, main: '../src/worker-command.ts' });
  running.push(further);
  await expect.poll(() => api.workers(), { timeout: 10_000 }).toBe(2);
  further.signal('SIGTERM');
  expect(await further.exit).toBe(0);
  await expect.poll(() => api.workers(), { timeout: 10_000 }).toBe(1);
});

test('npm run worker without a running Everruns is one line and exit code 1', async () => {
  const worker = startProcess({ home, portPrefix, main: '../src/worker-command.ts' });
  expect(await worker.exit).toBe(1);
  expect(worker.output).toMatch(/^No Everruns is running on .*\n$/);
});

test('DEV_MODE serves turns from one process', async () => {
  const local = await startReady({ DEV_MODE: 'true' });
  const session = await api.createSession();
  await api.post(session, QUESTION);
  await api.untilEvent(session, 'turn.completed');
  await expect(fetch(`http://127.0.0.1:${portPrefix}02`)).rejects.toThrow('fetch failed');
  local.signal('SIGINT');
  expect(await local.exit).toBe(0);
});

test.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('%s to npm start ends all that it started', async (name) => {
  const env = { PATH: process.env.PATH, HOME: folder, EVERRUNS_HOME: home, PORT_PREFIX: String(portPrefix) };
  const npm = spawn('npm', ['start'], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  npm.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await expect.poll(() => output, { timeout: 60_000 }).toContain('Ctrl-C stops everything.');
  const pids = [childPid(home, 'server') ?? -1, childPid(home, 'worker') ?? -1, postmasterPid(home)];
  npm.kill(name);
  const [code] = (await once(npm, 'exit')) as [number | null];
  expect(code).toBe(name === 'SIGKILL' ? null : 0);
  await untilGone(...pids);
});
