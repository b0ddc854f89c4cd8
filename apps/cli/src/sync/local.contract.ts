import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeBelow, scanDirectory, writeBelow } from './local.ts';

let home: string;
let directory: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'everruns-sync-'));
  directory = join(home, 'project');
  await mkdir(directory);
  await writeFile(join(home, 'outside.txt'), 'outside');
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function make(...paths: string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), 'x');
  }
}

it('keys, histories and settings with secrets are never among the files, whatever is excluded', async () => {
  await make(
    'a.txt',
    '.env',
    '.env.local',
    'deep/.ssh/id_rsa',
    'certificates/server.pem',
    '.git/config',
    '.bash_history',
    '.npmrc',
    'x.KEY',
  );
  await writeFile(join(directory, '.everrunsignore'), '!.env\n!*.pem\n');
  expect([...(await scanDirectory(directory, ['!.ssh'])).keys()].sort()).toEqual(['.everrunsignore', 'a.txt']);
});

it('links are neither read nor followed', async () => {
  await make('a.txt');
  await symlink(join(home, 'outside.txt'), join(directory, 'link.txt'));
  await symlink(home, join(directory, 'folder'));
  expect([...(await scanDirectory(directory, [])).keys()]).toEqual(['a.txt']);
});

it('nothing is written or removed outside, neither by a path nor through a link', async () => {
  await symlink(home, join(directory, 'folder'));
  await symlink(join(home, 'outside.txt'), join(directory, 'link.txt'));
  for (const path of ['../outside.txt', 'folder/outside.txt', '/etc/hosts']) {
    await expect(writeBelow(directory, path, Buffer.from('x'))).rejects.toThrow(/outside|is a link/);
    await expect(removeBelow(directory, path)).rejects.toThrow(/outside|is a link/);
  }
  await writeBelow(directory, 'link.txt', Buffer.from('inside'));
  expect(await readFile(join(home, 'outside.txt'), 'utf8')).toBe('outside');
  expect(await readFile(join(directory, 'link.txt'), 'utf8')).toBe('inside');
});
