import { ApiError, AuthenticationError, ConnectionError, InvalidRequestError, NotFoundError, PermissionError } from '@everruns/client';

/** What a script can tell apart. `everruns help exit-codes` prints it. */
export const EXIT_CODES = {
  done: { code: 0, about: 'done' },
  failed: { code: 1, about: 'failed, the message says why' },
  usage: { code: 2, about: 'the command line is wrong' },
  unauthenticated: { code: 3, about: 'not signed in, or not any more' },
  forbidden: { code: 4, about: 'signed in, and not allowed' },
  not_found: { code: 5, about: 'there is no such thing' },
  invalid: { code: 6, about: 'the server refused what was sent' },
  unreachable: { code: 7, about: 'no answer from the server' },
  turn_failed: { code: 8, about: 'a turn of an agent ended without success' },
  unhealthy: { code: 9, about: 'doctor found something that has to be mended' },
  interrupted: { code: 130, about: 'interrupted' },
} as const;

/** A command that ends without success, in one sentence for people. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exit: keyof typeof EXIT_CODES;

  constructor(message: string, exit: keyof typeof EXIT_CODES = 'failed') {
    super(message);
    this.exit = exit;
  }
}

export function exitOf(error: unknown): keyof typeof EXIT_CODES {
  if (error instanceof CommandError) return error.exit;
  if (error instanceof AuthenticationError) return 'unauthenticated';
  if (error instanceof PermissionError) return 'forbidden';
  if (error instanceof NotFoundError) return 'not_found';
  if (error instanceof ConnectionError) return 'unreachable';
  if (error instanceof InvalidRequestError) return 'invalid';
  if (error instanceof ApiError && error.status < 500) return 'invalid';
  if (error instanceof Error && error.name === 'AbortError') return 'interrupted';
  return 'failed';
}

/** What went wrong, and what to do about it where that is known. */
export function sentenceOf(error: unknown, baseUrl: string): string {
  if (error instanceof AuthenticationError) return `${error.message} Sign in with "everruns login".`;
  if (error instanceof ConnectionError)
    return `Nobody answers at ${baseUrl}. Is it running ("everruns up"), and is that the right address (--api-url)?`;
  if (error instanceof ApiError && error.field !== undefined) return `${error.message} (${error.field})`;
  return error instanceof Error ? error.message : String(error);
}
