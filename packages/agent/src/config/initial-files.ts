const ROOT = '/workspace';

/** One spelling for the path of a file in a workspace: from its root, with a leading slash, without `/workspace`, `.` and doubled slashes. */
export function normalizeFilePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith(`${ROOT}/`) || path === ROOT) parts.shift();
  return `/${parts.join('/')}`;
}

/** The starter files of all layers, base first: a later layer's file takes the place of the whole file of the same path. */
export function mergeInitialFiles<T extends { path: string }>(layers: readonly (readonly T[])[]): T[] {
  const byPath = new Map<string, T>();
  for (const file of layers.flat()) {
    const path = normalizeFilePath(file.path);
    byPath.set(path, { ...file, path });
  }
  return [...byPath.values()];
}
