/** What two directories and the memory of their last meeting say about one file. Null: not there. */
export interface FileState {
  path: string;
  local: { sha256: string; modifiedMs: number } | null;
  remote: { updatedAt: string } | null;
  /** As both were when they last agreed. */
  base: { sha256: string; updatedAt: string } | null;
}

export type Step =
  | { kind: 'push' | 'pull' | 'delete_local' | 'delete_remote' | 'forget'; path: string }
  /** Both have changed, and nothing says which one counts. */
  | { kind: 'conflict'; path: string }
  /** Gone on one side; without `delete` it stays on the other. */
  | { kind: 'keep'; path: string };

export interface SyncPolicy {
  /** Who wins when both have changed; `none`: nobody, both stay as they are. */
  conflict: 'none' | 'local' | 'remote' | 'newer';
  /** What is gone on one side goes on the other as well. */
  delete: boolean;
}

/** Null: nothing to do. */
export function planFile(state: FileState, policy: SyncPolicy): Step | null {
  const { path, local, remote, base } = state;
  const localChanged = local?.sha256 !== base?.sha256;
  const remoteChanged = remote?.updatedAt !== base?.updatedAt;
  if (!localChanged && !remoteChanged) return null;
  if (local === null && remote === null) return { kind: 'forget', path };
  if (localChanged && remoteChanged) {
    const winner = winnerOf(state, policy.conflict);
    if (winner === null) return { kind: 'conflict', path };
    return winner === 'local' ? outward(state, policy) : inward(state, policy);
  }
  return localChanged ? outward(state, policy) : inward(state, policy);
}

/** Something against nothing is no conflict: what somebody has just written is not thrown away for a deletion. */
function winnerOf({ local, remote }: FileState, conflict: SyncPolicy['conflict']): 'local' | 'remote' | null {
  if (local === null) return 'remote';
  if (remote === null) return 'local';
  if (conflict === 'newer') return local.modifiedMs > Date.parse(remote.updatedAt) ? 'local' : 'remote';
  return conflict === 'none' ? null : conflict;
}

function outward({ path, local }: FileState, policy: SyncPolicy): Step {
  if (local !== null) return { kind: 'push', path };
  return policy.delete ? { kind: 'delete_remote', path } : { kind: 'keep', path };
}

function inward({ path, remote }: FileState, policy: SyncPolicy): Step {
  if (remote !== null) return { kind: 'pull', path };
  return policy.delete ? { kind: 'delete_local', path } : { kind: 'keep', path };
}
