import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify } from 'everruns/processes/identity';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withFileLock } from './file-lock.ts';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'everruns-lock-'));
  file = join(folder, 'lock');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function deadProcess(): Promise<unknown> {
  const child = spawn('sleep', ['60']);
  const identity = identify(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return identity;
}

test('one is inside at a time', async () => {
  let inside = 0;
  const enter = () =>
    withFileLock(file, async () => {
      inside += 1;
      expect(inside).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside -= 1;
    });
  await Promise.all(Array.from({ length: 8 }, enter));
  expect(await readdir(folder)).toEqual([]);
});

test('the lock of a process that was killed is taken over by one of those who wait', async () => {
  await writeFile(file, JSON.stringify(await deadProcess()));
  const order: number[] = [];
  await Promise.all([1, 2, 3].map((n) => withFileLock(file, async () => void order.push(n))));
  expect(order).toHaveLength(3);
  expect(await readdir(folder)).toEqual([]);
});

test('a number that now belongs to another process does not keep the lock', async () => {
  await writeFile(file, JSON.stringify({ pid: process.pid, mark: 'long ago' }));
  expect(await withFileLock(file, async () => 'in')).toBe('in');
});

test('a living holder is waited for until the time is up', async () => {
  await writeFile(file, JSON.stringify(identify(process.pid)));
  await expect(withFileLock(file, async () => 'in', 100)).rejects.toThrow('has been locked for more than 0.1 s');
});

test('the lock is free again after work that fails', async () => {
  await expect(withFileLock(file, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await withFileLock(file, async () => 'in')).toBe('in');
});
