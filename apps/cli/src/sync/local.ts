import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import ignore from 'ignore';

export const STATE_DIRECTORY = '.everruns-sync';

/** Never sent anywhere, whatever options say: keys, histories, other people's directories. */
const SECRET =
  /^(\.env(\..*)?|\.ssh|\.aws|\.gnupg|\.kube|\.netrc|\.npmrc|\.pypirc|\.git|\.git-credentials|\.docker|.*_history|id_(rsa|ed25519|ecdsa|dsa)|.*\.(pem|p12|pfx|key))$/i;

export interface LocalFile {
  sha256: string;
  modifiedMs: number;
}

export function isSecret(path: string): boolean {
  return path.split('/').some((part) => SECRET.test(part));
}

/** Regular files only: a link could lead anywhere. Paths with slashes, relative to the directory. */
export async function scanDirectory(directory: string, exclude: readonly string[]): Promise<Map<string, LocalFile>> {
  const rules = ignore().add([
    STATE_DIRECTORY,
    'node_modules',
    ...exclude,
    ...(await linesOf(join(directory, '.gitignore'))),
    ...(await linesOf(join(directory, '.everrunsignore'))),
  ]);
  const found = new Map<string, LocalFile>();
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = relative(directory, join(folder, entry.name)).split(sep).join('/');
      if (isSecret(path) || rules.ignores(entry.isDirectory() ? `${path}/` : path)) continue;
      if (entry.isDirectory()) await walk(join(folder, entry.name));
      if (entry.isFile()) found.set(path, await describe(join(folder, entry.name)));
    }
  };
  await walk(directory);
  return found;
}

async function describe(path: string): Promise<LocalFile> {
  const [bytes, { mtimeMs }] = await Promise.all([readFile(path), lstat(path)]);
  return { sha256: sha256(bytes), modifiedMs: mtimeMs };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Written beside and moved, below the directory and through no link. */
export async function writeBelow(directory: string, path: string, bytes: Uint8Array): Promise<void> {
  const target = await placeBelow(directory, path);
  await mkdir(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}.tmp`;
  await writeFile(temporary, bytes);
  await rename(temporary, target);
}

export async function removeBelow(directory: string, path: string): Promise<void> {
  await rm(await placeBelow(directory, path), { force: true });
}

async function placeBelow(directory: string, path: string): Promise<string> {
  const target = resolve(directory, path);
  if (!target.startsWith(resolve(directory) + sep)) throw new Error(`${path} is outside of ${directory}.`);
  for (let at = dirname(target); at.length > resolve(directory).length; at = dirname(at)) {
    const link = await lstat(at).then(
      (info) => info.isSymbolicLink(),
      () => false,
    );
    if (link) throw new Error(`${relative(directory, at)} is a link, and may lead anywhere.`);
  }
  return target;
}

async function linesOf(path: string): Promise<string[]> {
  return readFile(path, 'utf8').then(
    (text) => text.split('\n'),
    () => [],
  );
}
