import pg from 'pg';

/** Name of the unique constraint that a statement violated, or null for any other error. */
export function violatedUnique(error: unknown): string | null {
  return error instanceof pg.DatabaseError && error.code === '23505' ? (error.constraint ?? '') : null;
}

/** Runs `work`; a violation of the named constraint is an outcome, every other error is thrown on. */
export async function unlessTaken<T>(constraints: readonly string[], work: () => Promise<T>): Promise<T | 'taken'> {
  try {
    return await work();
  } catch (error) {
    const constraint = violatedUnique(error);
    if (constraint !== null && constraints.includes(constraint)) return 'taken';
    throw error;
  }
}
