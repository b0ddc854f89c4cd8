import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { superviseProcess } from './supervised-process.ts';
import type { SupervisedProcess } from './supervised-process.ts';

const PROGRAM = `import { appendFileSync } from 'node:fs';
appendFileSync(process.env.LIVES, process.pid + '\\n');
if (process.env.STUBBORN === 'yes') process.on('SIGTERM', () => undefined);
setInterval(() => undefined, 1000);
console.log('alive');
`;

let home: string;
let supervised: SupervisedProcess | undefined;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'everruns-process-'));
  await writeFile(join(home, 'program.mjs'), PROGRAM);
});

afterEach(async () => {
  await supervised?.stop(100);
  await rm(home, { recursive: true, force: true });
});

async function lives(): Promise<string[]> {
  return (await readFile(join(home, 'lives'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
}

function start(env: Record<string, string> = {}, program = 'program.mjs'): SupervisedProcess {
  supervised = superviseProcess({
    name: 'program',
    entry: join(home, program),
    env: { PATH: process.env.PATH ?? '', LIVES: join(home, 'lives'), ...env },
    logFile: join(home, 'log'),
    ready: async () => (await lives()).includes(String(supervised?.pid)),
    readyWithinMs: 1_500,
  });
  return supervised;
}

it('starts again at once what was killed, and writes all lives to one log', async () => {
  const program = start();
  await program.whenReady();
  const first = program.pid;
  program.kill();
  await expect.poll(() => program.lives).toBe(2);
  await program.whenReady();
  expect(program.pid).not.toBe(first);
  await expect.poll(() => readFile(join(home, 'log'), 'utf8')).toBe('alive\nalive\n');
});

it('stays down after a stop, and comes back when started', async () => {
  const program = start();
  await program.whenReady();
  await program.stop();
  expect(program.pid).toBe(0);
  program.start();
  await program.whenReady();
  expect(await lives()).toHaveLength(2);
});

it('kills what does not end by itself', async () => {
  const program = start({ STUBBORN: 'yes' });
  await program.whenReady();
  await expect.poll(() => readFile(join(home, 'log'), 'utf8')).toContain('alive');
  await program.stop(50);
  expect(program.pid).toBe(0);
});

it('says what the log ends with when the process does not get ready', async () => {
  await writeFile(join(home, 'broken.mjs'), "throw new Error('no such thing');");
  await expect(start({}, 'broken.mjs').whenReady()).rejects.toThrow(/program did not get ready:[\s\S]*no such thing/);
});
