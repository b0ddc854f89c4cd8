/**
 * Paths of files in a workspace. Agents and clients see the root as `/workspace`; stored is the path below it, with a leading slash: `/a/b.txt`, and
 * `/` for the root itself.
 */

export const WORKSPACE_ROOT = '/workspace';
/** Longest path, in bytes of UTF-8. */
export const MAX_PATH_BYTES = 1_024;
/** Longest name of a file or a directory, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 255;

export type PathResult = { path: string; problem?: undefined } | { path?: undefined; problem: string };

/** As an API takes it: what goes up, is doubled or cannot be a name is refused. */
export function strictPath(raw: string): PathResult {
  const inner = raw.replace(/^\//, '').replace(/\/$/, '');
  if (inner === '') return { path: '/' };
  const segments = inner.split('/');
  if (segments.includes('..')) return { problem: 'A path must not go up.' };
  if (segments.includes('')) return { problem: 'A path must not have two slashes in a row.' };
  return assemble(segments);
}

/** As a tool takes it: `..` goes up and stays within the workspace, doubled slashes count once, relative paths begin at the workspace. */
export function clampedPath(raw: string): PathResult {
  const segments: string[] = [];
  for (const segment of raw.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return assemble(segments);
}

function assemble(all: readonly string[]): PathResult {
  const segments = all.filter((segment) => segment !== '.');
  if (segments[0] === 'workspace') segments.shift();
  const path = `/${segments.join('/')}`;
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return { problem: 'A path must not hold NUL or other control characters.' };
  if (!path.isWellFormed()) return { problem: 'A path must not hold unpaired surrogates.' };
  if (byteLength(path) > MAX_PATH_BYTES) return { problem: `A path must have at most ${MAX_PATH_BYTES} bytes.` };
  if (segments.some((segment) => byteLength(segment) > MAX_NAME_BYTES))
    return { problem: `A name must have at most ${MAX_NAME_BYTES} bytes.` };
  if (segments[0] === '_') return { problem: 'The name _ is reserved at the root.' };
  return { path };
}

/** As agents see it. */
export function shownPath(path: string): string {
  return path === '/' ? WORKSPACE_ROOT : `${WORKSPACE_ROOT}${path}`;
}

export function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function parentPath(path: string): string {
  const end = path.lastIndexOf('/');
  return end <= 0 ? '/' : path.slice(0, end);
}

/** The directories above a path, the root excluded, outermost first. */
export function ancestorPaths(path: string): string[] {
  const above: string[] = [];
  for (let at = parentPath(path); at !== '/'; at = parentPath(at)) above.unshift(at);
  return above;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
