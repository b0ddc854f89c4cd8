export interface FileEntry {
  path: string;
  name: string;
  is_directory: boolean;
  size_bytes: number;
}

export interface FileNode<T extends FileEntry> {
  /** With a slash at its beginning. */
  path: string;
  name: string;
  isDirectory: boolean;
  /** Absent for a directory that is only known by what is in it. */
  entry?: T;
  children: FileNode<T>[];
}

/** The tree that a flat list of paths makes: directories first, then by name. */
export function fileTree<T extends FileEntry>(entries: readonly T[]): FileNode<T>[] {
  const root: FileNode<T> = { path: '', name: '', isDirectory: true, children: [] };
  const nodes = new Map([['', root]]);
  const nodeAt = (path: string): FileNode<T> => {
    const known = nodes.get(path);
    if (known !== undefined) return known;
    const cut = path.lastIndexOf('/');
    const node: FileNode<T> = { path, name: path.slice(cut + 1), isDirectory: true, children: [] };
    nodes.set(path, node);
    nodeAt(path.slice(0, cut)).children.push(node);
    return node;
  };
  for (const entry of entries) {
    const path = `/${entry.path.split('/').filter(Boolean).join('/')}`;
    if (path === '/') continue;
    Object.assign(nodeAt(path), { entry, isDirectory: entry.is_directory });
  }
  for (const node of nodes.values()) {
    node.children.sort((a, b) => Number(b.isDirectory) - Number(a.isDirectory) || a.name.localeCompare(b.name));
  }
  return root.children;
}

const UNITS = ['B', 'KB', 'MB', 'GB'];

/** `1.5 KB` */
export function sizeText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1_024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}
