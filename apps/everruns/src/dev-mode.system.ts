import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePrefix, startProcess, untilGone, type LocalProcess } from '../test/local-process.ts';
import { readPostmasterFile } from './postgres/postmaster-file.ts';

let temporary: string;
let running: LocalProcess[];

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'ev-dev-'));
  await chmod(temporary, 0o755);
  running = [];
});

afterEach(async () => {
  for (const process of running) process.signal('SIGTERM');
  await Promise.all(running.map((process) => process.exit));
  await rm(temporary, { recursive: true, force: true });
});

async function startReady(env: NodeJS.ProcessEnv = {}): Promise<LocalProcess> {
  const process = start(await freePrefix(), env);
  await process.line(/^Everruns is ready after/);
  return process;
}

function start(portPrefix: number, env: NodeJS.ProcessEnv): LocalProcess {
  const all = { DEV_MODE: 'true', TMPDIR: temporary, ...env };
  const process = startProcess({ home: '/nowhere', portPrefix, env: all, main: 'stand-in-dev-main.ts' });
  running.push(process);
  return process;
}

async function directories(): Promise<string[]> {
  return (await readdir(temporary)).filter((name) => name.startsWith('everruns-dev-')).map((name) => join(temporary, name));
}

async function postmasterPid(): Promise<number> {
  const [directory = ''] = await directories();
  return (await readPostmasterFile(join(directory, 'postgres')))?.pid ?? 0;
}

test('DEV_MODE serves from this process and removes its data and its PostgreSQL when it ends', async () => {
  const local = await startReady();
  expect(await local.fetch('/health')).toBe(String(local.pid));
  expect(await local.fetch('/rows', 'POST')).toBe('1');
  const environment = JSON.parse(await local.fetch('/environment')) as Record<string, string>;
  expect(environment).toMatchObject({ DEV_MODE: 'true', DEPLOYMENT_GRADE: 'dev', AUTH_MODE: 'none' });
  const postmaster = await postmasterPid();
  local.signal('SIGINT');
  expect(await local.exit).toBe(0);
  expect(local.output).toContain('composition stopped');
  await untilGone(postmaster);
  expect(await readdir(temporary)).toEqual([]);
});

test('what DEV_MODE left after kill -9 is gone after the next start, its PostgreSQL too', async () => {
  const first = await startReady();
  await first.fetch('/rows', 'POST');
  const [orphan] = await directories();
  const postmaster = await postmasterPid();
  first.signal('SIGKILL');
  await first.exit;
  const second = await startReady();
  await untilGone(postmaster);
  expect(await directories()).not.toContain(orphan);
  expect(await second.fetch('/rows')).toBe('0');
});

test('two at once do not touch each other', async () => {
  const [first, second] = [await startReady(), await startReady()];
  await first.fetch('/rows', 'POST');
  expect(await first.fetch('/rows')).toBe('1');
  expect(await second.fetch('/rows')).toBe('0');
});

test('DATABASE_URL is ignored with a warning, several instances are refused', async () => {
  const local = await startReady({ DATABASE_URL: 'postgresql://elsewhere/db' });
  expect(local.output).toMatch(/^DATABASE_URL is ignored/m);
  const refused = start(await freePrefix(), { EXPECTED_INSTANCES: '2' });
  expect(await refused.exit).toBe(1);
  expect(refused.output).toMatch(/^Wrong settings: .*EXPECTED_INSTANCES must be 1\.\n$/);
});
