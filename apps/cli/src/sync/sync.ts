import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSecret, removeBelow, scanDirectory, sha256, STATE_DIRECTORY, writeBelow } from './local.ts';
import { planFile } from './plan.ts';
import type { FileState, Step, SyncPolicy } from './plan.ts';

/** The files of a session, as a sync sees them. */
export interface RemoteFiles {
  list(): Promise<{ path: string; updatedAt: string }[]>;
  read(path: string): Promise<Uint8Array>;
  /** Resolves with the new time of change. */
  write(path: string, bytes: Uint8Array): Promise<string>;
  remove(path: string): Promise<void>;
}

export interface SyncOptions extends SyncPolicy {
  directory: string;
  exclude: readonly string[];
  dryRun: boolean;
  onStep: (step: Step) => void;
}

type Base = Record<string, { sha256: string; updatedAt: string }>;

/** Brings a directory and a session together. What was done is remembered after each file, so that a broken sync just goes on. */
export async function syncDirectory(sessionId: string, remote: RemoteFiles, options: SyncOptions): Promise<Step[]> {
  const { directory } = options;
  const base = await loadBase(directory, sessionId);
  const steps: Step[] = [];
  for (const state of await statesOf(remote, options, base)) {
    const step = await settled(state, { remote, options, base });
    if (step === null) continue;
    steps.push(step);
    options.onStep(step);
    if (options.dryRun) continue;
    await perform(step, { remote, options, base });
    await saveBase(directory, sessionId, base);
  }
  if (!options.dryRun) await saveBase(directory, sessionId, base);
  return steps;
}

interface Work {
  remote: RemoteFiles;
  options: SyncOptions;
  base: Base;
}

async function statesOf(remote: RemoteFiles, { directory, exclude }: SyncOptions, base: Base): Promise<FileState[]> {
  const [local, listed] = await Promise.all([scanDirectory(directory, exclude), remote.list()]);
  const there = new Map(listed.filter(({ path }) => !isSecret(path)).map(({ path, updatedAt }) => [path, { updatedAt }]));
  const paths = new Set([...local.keys(), ...there.keys(), ...Object.keys(base)]);
  return [...paths]
    .sort()
    .map((path) => ({ path, local: local.get(path) ?? null, remote: there.get(path) ?? null, base: base[path] ?? null }));
}

/** Two files that nobody has compared yet may well be the same. */
async function settled(state: FileState, { remote, options, base }: Work): Promise<Step | null> {
  const step = planFile(state, options);
  if (step?.kind !== 'conflict' || state.local === null || state.remote === null) return step;
  if (sha256(await remote.read(state.path)) !== state.local.sha256) return step;
  base[state.path] = { sha256: state.local.sha256, updatedAt: state.remote.updatedAt };
  return null;
}

async function perform({ kind, path }: Step, { remote, options: { directory }, base }: Work): Promise<void> {
  switch (kind) {
    case 'push': {
      const bytes = await readFile(join(directory, path));
      base[path] = { sha256: sha256(bytes), updatedAt: await remote.write(path, bytes) };
      return;
    }
    case 'pull': {
      const updatedAt = (await remote.list()).find((file) => file.path === path)?.updatedAt;
      if (updatedAt === undefined) return; // gone meanwhile: the next sync sees it
      const bytes = await remote.read(path);
      await writeBelow(directory, path, bytes);
      base[path] = { sha256: sha256(bytes), updatedAt };
      return;
    }
    case 'delete_local':
      await removeBelow(directory, path);
      break;
    case 'delete_remote':
      await remote.remove(path);
      break;
    case 'forget':
      break;
    case 'conflict':
    case 'keep':
      return;
  }
  delete base[path];
}

async function loadBase(directory: string, sessionId: string): Promise<Base> {
  const text = await readFile(statePath(directory), 'utf8').catch(() => '{}');
  const state = JSON.parse(text) as { session_id?: string; files?: Base };
  return state.session_id === sessionId ? { ...state.files } : {};
}

async function saveBase(directory: string, sessionId: string, files: Base): Promise<void> {
  await mkdir(join(directory, STATE_DIRECTORY), { recursive: true });
  await writeFile(statePath(directory), `${JSON.stringify({ session_id: sessionId, files }, null, 1)}\n`, { mode: 0o600 });
}

function statePath(directory: string): string {
  return join(directory, STATE_DIRECTORY, 'state.json');
}
