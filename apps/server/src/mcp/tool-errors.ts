import type { PlatformError, Problem } from '@everruns/contract';
import { problemOf, toPlatformError } from '../http/problems.ts';

/** What went wrong with a tool call, as a client can act on it. The list of categories is closed; codes are those of the REST API, and more may come. */

export const ERROR_CATEGORIES = ['input', 'auth', 'not_found', 'conflict', 'rate_limit', 'timeout', 'unavailable', 'internal'] as const;
export type ErrorCategory = (typeof ERROR_CATEGORIES)[number];

export interface ToolFailure {
  [member: string]: unknown;
  code: string;
  category: ErrorCategory;
  retryable: boolean;
  message: string;
  retry_after_seconds?: number;
  hint?: string;
}

/** A tool call that failed in a way which its caller is told of. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  readonly failure: ToolFailure;

  constructor(failure: ToolFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export function invalidInput(message: string, hint?: string): ToolError {
  return new ToolError({ code: 'invalid_request', category: 'input', retryable: false, message, ...(hint === undefined ? {} : { hint }) });
}

export function timedOut(timeoutMs: number, changes: boolean): ToolError {
  const hint = changes ? 'It may have taken effect: look before you repeat it.' : 'Ask for less, or try again.';
  return new ToolError({
    code: 'timed_out',
    category: 'timeout',
    retryable: !changes,
    message: `There was no answer within ${timeoutMs / 1_000} s.`,
    hint,
  });
}

/** Of an answer of the REST API that is no success. */
export function failureOf(problem: Problem): ToolFailure {
  const { status, retry_after_seconds: retryAfterSeconds } = problem;
  const hint = HINTS[problem.code ?? ''] ?? (problem.field === undefined ? undefined : `Look at ${problem.field}.`);
  return {
    code: problem.code ?? 'internal',
    category: categoryOf(status),
    retryable: status === 429 || status === 503,
    message: problem.detail ?? problem.title,
    ...(retryAfterSeconds == null ? {} : { retry_after_seconds: retryAfterSeconds }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** Whatever was thrown; what is not meant for callers is hidden as the REST API hides it. */
export function toFailure(error: unknown): { failure: ToolFailure; hidden: PlatformError | null } {
  if (error instanceof ToolError) return { failure: error.failure, hidden: null };
  const known = toPlatformError(error);
  return { failure: failureOf(problemOf(known, '/mcp')), hidden: known.status >= 500 ? known : null };
}

const HINTS: Readonly<Record<string, string>> = {
  organization_required: 'Give organization_id; list_organizations lists those you are a member of.',
  forbidden: 'Ask an administrator of the organization, or use a token with more scopes.',
  unauthenticated: 'Connect again: the credential is not valid any more.',
};

function categoryOf(status: number): ErrorCategory {
  if (status === 401 || status === 403) return 'auth';
  if (status === 404 || status === 410) return 'not_found';
  if (status === 409) return 'conflict';
  if (status === 429) return 'rate_limit';
  if (status === 503) return 'unavailable';
  return status >= 500 ? 'internal' : 'input';
}
