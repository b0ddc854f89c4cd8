import { expect, it } from 'vitest';
import { planFile } from './plan.ts';
import type { FileState, SyncPolicy } from './plan.ts';

const local = (sha256: string, modifiedMs = 0) => ({ sha256, modifiedMs });
const remote = (updatedAt: string) => ({ updatedAt });
const base = { sha256: 'a', updatedAt: '2026-01-01T00:00:00Z' };
const same = remote(base.updatedAt);
const later = remote('2026-01-02T00:00:00Z');
const careful: SyncPolicy = { conflict: 'none', delete: false };
const thorough: SyncPolicy = { conflict: 'none', delete: true };

it.each<[string, Omit<FileState, 'path'>, SyncPolicy, string | null]>([
  ['nothing has changed', { local: local('a'), remote: same, base }, careful, null],
  ['changed here', { local: local('b'), remote: same, base }, careful, 'push'],
  ['changed there', { local: local('a'), remote: later, base }, careful, 'pull'],
  ['new here', { local: local('a'), remote: null, base: null }, careful, 'push'],
  ['new there', { local: null, remote: later, base: null }, careful, 'pull'],
  ['gone here', { local: null, remote: same, base }, careful, 'keep'],
  ['gone here, and to be gone there', { local: null, remote: same, base }, thorough, 'delete_remote'],
  ['gone there', { local: local('a'), remote: null, base }, careful, 'keep'],
  ['gone there, and to be gone here', { local: local('a'), remote: null, base }, thorough, 'delete_local'],
  ['gone on both sides', { local: null, remote: null, base }, careful, 'forget'],
  ['changed on both sides', { local: local('b'), remote: later, base }, careful, 'conflict'],
  ['there on both sides from the first', { local: local('b'), remote: later, base: null }, careful, 'conflict'],
  ['changed on both sides, ours counts', { local: local('b'), remote: later, base }, { ...careful, conflict: 'local' }, 'push'],
  ['changed on both sides, theirs counts', { local: local('b'), remote: later, base }, { ...careful, conflict: 'remote' }, 'pull'],
  [
    'changed on both sides, ours is newer',
    { local: local('b', Date.parse('2026-01-03')), remote: later, base },
    { ...careful, conflict: 'newer' },
    'push',
  ],
  ['changed here and gone there', { local: local('b'), remote: null, base }, thorough, 'push'],
  ['gone here and changed there', { local: null, remote: later, base }, thorough, 'pull'],
])('%s', (_name, state, policy, kind) => {
  expect(planFile({ path: 'x', ...state }, policy)?.kind ?? null).toBe(kind);
});
