/** A reason not to start that people can act on: the message is one line, shown without a stack trace. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Another process is at work on the same data. */
export class DataInUseError extends StartError {}

const REASONS: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'a file is in its place',
  EISDIR: 'it is a directory',
  ELOOP: 'the links in the path form a loop',
  ENAMETOOLONG: 'the path is too long',
};

/**
 * Runs file-system work and turns what the system refuses into one line; `doing` completes "Everruns cannot ...".
 * Errors that no system setting explains are faults of the program and pass through.
 */
export async function explainRefusals<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = REASONS[errorCode(error) ?? ''];
    if (reason === undefined) throw error;
    throw new StartError(`Everruns cannot ${doing}: ${reason}.`, { cause: error });
  }
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
