import { PlatformError } from '@everruns/contract';

/** What a request brings must be what the store can hold: PostgreSQL has neither NUL nor half of a surrogate pair, JSON no endless number. */

/** Deeper than any request of ours, and far from what recursion in parsers and the database bears. */
export const MAX_NESTING = 64;

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The text of a body, or null when its bytes are not UTF-8. A byte order mark is left out. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return UTF8.decode(bytes);
  } catch {
    return null; // replacing what cannot be read would change what the client said
  }
}

export function tooDeep(): PlatformError {
  return new PlatformError('invalid_request', `The body is nested deeper than ${MAX_NESTING} levels.`, { field: 'body' });
}

/** The first place of a parsed body that cannot be stored, as a refusal; null when all of it can. */
export function findUnstorable(root: unknown): PlatformError | null {
  const open: { path: string; depth: number; value: unknown }[] = [{ path: '', depth: 0, value: root }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { path, depth, value } = next;
    const problem = problemOf(value);
    if (problem !== null) return new PlatformError('invalid_request', problem, { field: path });
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= MAX_NESTING) return tooDeep();
    for (const [key, member] of Object.entries(value)) {
      if (isBroken(key)) return new PlatformError('invalid_request', 'A name must not hold NUL or unpaired surrogates.', { field: path });
      open.push({ path: path === '' ? key : `${path}.${key}`, depth: depth + 1, value: member });
    }
  }
  return null;
}

function problemOf(value: unknown): string | null {
  if (typeof value === 'string' && isBroken(value)) return 'Text must not hold NUL or unpaired surrogates.';
  if (typeof value === 'number' && !Number.isFinite(value)) return 'The number is too large.';
  return null;
}

function isBroken(text: string): boolean {
  return text.includes('\u0000') || !text.isWellFormed();
}
