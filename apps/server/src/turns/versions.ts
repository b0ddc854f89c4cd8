import { openVersionsBeside } from '@everruns/storage';
import type { Queryable } from '@everruns/storage';

/** The versions of `decideReason` and its kin that this code has. */
export const TURN_VERSIONS: readonly number[] = [1];

/**
 * Why this build must not work on this database, in one line, or null: turns that have not ended, also those that wait for their client, have a
 * version that it cannot decide (core.md R10). Nobody might ever go on with them.
 */
export async function undecidableTurns(db: Queryable, known: readonly number[] = TURN_VERSIONS): Promise<string | null> {
  const unknown = await openVersionsBeside(db, 'turn', known);
  if (unknown.length === 0) return null;
  const found = unknown.map(({ version, open }) => `${open} of version ${version}`).join(', ');
  return `This build decides turns of version ${known.join(', ')}, but there are turns that have not ended: ${found}. Start the build that began them, and let them end.`;
}
