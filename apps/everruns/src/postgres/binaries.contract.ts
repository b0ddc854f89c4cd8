import { spawnSync } from 'node:child_process';
import { chmod, cp, lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { accountFor, runAs } from './account.ts';
import { findBinaries, locatePackage, type BinariesPackage } from './binaries.ts';

let folder: string;

/** As npm unpacks it: without links. */
async function packageWithoutLinks(): Promise<BinariesPackage> {
  const filter = async (path: string) => !(await lstat(path)).isSymbolicLink();
  await cp(join(locatePackage().folder, 'native'), join(folder, 'native'), { recursive: true, filter });
  return { folder, version: `0.0.0-${process.pid}` };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'everruns-binaries-'));
  await chmod(folder, 0o755);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('links that an install without scripts left out are made', async () => {
  const account = await accountFor('/nonexistent');
  const binaries = await findBinaries(account, await packageWithoutLinks());
  expect(binaries.postgres).toBe(join(folder, 'native', 'bin', 'postgres'));
  expect(spawnSync(binaries.postgres, ['--version'], runAs(account)).stdout.toString()).toMatch(/^postgres \(PostgreSQL\) 17\./);
});

/** Only root runs PostgreSQL as somebody who may not reach the package. */
if (process.getuid?.() === 0) {
  test('below a private folder the programs are copied once to where the account can run them', async () => {
    const account = await accountFor('/nonexistent');
    const source = await packageWithoutLinks();
    await chmod(folder, 0o700);
    const [first, second] = await Promise.all([findBinaries(account, source), findBinaries(account, source)]);
    expect(first.postgres).toBe(`/var/lib/everruns/postgresql-${source.version}/native/bin/postgres`);
    expect(second).toEqual(first);
    expect(await findBinaries(account, source)).toEqual(first);
    expect(spawnSync(first.initdb, ['--version'], runAs(account)).stdout.toString()).toMatch(/17\./);
    const leftOvers = (await readdir('/var/lib/everruns')).filter((name) => name.startsWith(`postgresql-${source.version}`));
    expect(leftOvers).toEqual([`postgresql-${source.version}`]);
    await rm(`/var/lib/everruns/postgresql-${source.version}`, { recursive: true });
  });
}
