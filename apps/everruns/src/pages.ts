import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { dirname, join } from 'node:path';

/** The management interface of this checkout: where it is, or will be once it is built. */
export interface Pages {
  readonly directory: string;
  /** Builds it when that has not been done yet for these sources. Rejects with what the builder said; nothing else suffers from it. */
  build(signal: AbortSignal): Promise<void>;
}

/** What the built pages are made of. */
const SOURCES = [
  'apps/ui/index.html',
  'apps/ui/vite.config.ts',
  'apps/ui/package.json',
  'apps/ui/src',
  'apps/ui/public',
  'packages/client/src',
];
const BUILDER = 'node_modules/vite/bin/vite.js';
/** People wait for turns, not for pages. */
const LOW_PRIORITY = 10;
const KEPT_MS = 7 * 86_400_000;

/** Null where there is nothing to build them with, or no place for them. `env`: of the builder. */
export function preparePages(root: string, env: NodeJS.ProcessEnv): Pages | null {
  if (!existsSync(join(root, BUILDER)) || !existsSync(join(root, 'apps/ui'))) return null;
  const directory = join(root, '.cache', 'ui', hashOf(root));
  try {
    mkdirSync(directory, { recursive: true });
  } catch {
    return null; // somebody else's checkout, only to be read
  }
  const isBuilt = (): boolean => existsSync(join(directory, 'index.html'));
  return {
    directory,
    async build(signal) {
      if (isBuilt()) return;
      const draft = await mkdtemp(`${directory}-`);
      try {
        await run({ root, env: { ...env, EVERRUNS_UI_OUT: draft, NODE_ENV: 'production' } }, signal);
        await install(draft, directory);
        await removeOld(dirname(directory));
      } finally {
        await rm(draft, { recursive: true, force: true });
      }
    },
  };
}

/** Whoever asks for the document must find all that it names: so it comes last. */
async function install(draft: string, directory: string): Promise<void> {
  await cp(draft, directory, { recursive: true, filter: (path) => path !== join(draft, 'index.html') });
  await rename(join(draft, 'index.html'), join(directory, 'index.html'));
}

/** A server of these sources as they were yesterday may still show what was built of them. */
async function removeOld(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}

interface Build {
  root: string;
  env: NodeJS.ProcessEnv;
}

function run({ root, env }: Build, signal: AbortSignal): Promise<void> {
  const child = spawn(process.execPath, [join(root, BUILDER), 'build', '--logLevel', 'error'], {
    cwd: join(root, 'apps/ui'),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  if (child.pid !== undefined) setPriority(child.pid, LOW_PRIORITY);
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(said.trim() || `the builder ended with ${code}`))));
  });
}

function hashOf(root: string): string {
  const hash = createHash('sha256');
  for (const path of SOURCES.flatMap((source) => filesBelow(join(root, source))).sort()) {
    hash.update(path.slice(root.length)).update('\0').update(readFileSync(path)).update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

function filesBelow(path: string): string[] {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  const entries = readdirSync(path, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  return entries.map((entry) => join(entry.parentPath, entry.name));
}
