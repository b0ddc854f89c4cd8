import { ERROR_CODES, PlatformError } from '@everruns/contract';
import type { ErrorCode, Problem } from '@everruns/contract';
import { sqlState } from '@everruns/storage';
import type { FastifyReply } from 'fastify';

/** Errors at the edge of HTTP: everything becomes a `PlatformError`, and a `PlatformError` becomes a problem document (RFC 9457). */

export const PROBLEM_TYPE = 'application/problem+json';
const TYPE_BASE = 'https://errors.everruns.com/';
const HIDDEN = 'Something went wrong on our side. The request id names this failure in the log.';

/** Fastify's own errors by code; others by their status. */
const FRAMEWORK: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_request',
  FST_ERR_BAD_URL: 'invalid_request',
  FST_ERR_NOT_FOUND: 'not_found',
};
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  503: 'unavailable',
};
/** The database is away or going away; nothing is known to be wrong with the request. */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EPIPE', 'ETIMEDOUT', 'ENOENT']);

export function toPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  const { code, statusCode, message } = fieldsOf(error);
  const known = (code === undefined ? undefined : FRAMEWORK[code]) ?? (statusCode === undefined ? undefined : BY_STATUS[statusCode]);
  if (known !== undefined && ERROR_CODES[known].status < 500) return new PlatformError(known, message, { cause: error });
  if (known === 'unavailable' || isUnreachable(error, code)) {
    return new PlatformError('unavailable', 'The store cannot be reached at the moment.', { cause: error, retryAfterSeconds: 1 });
  }
  return new PlatformError('internal', HIDDEN, { cause: error });
}

export function problemOf(error: PlatformError, instance: string): Problem {
  const { title, status } = ERROR_CODES[error.code];
  const detail = error.code === 'internal' ? HIDDEN : error.message;
  return {
    type: `${TYPE_BASE}${error.code.replaceAll('_', '-')}`,
    title,
    status,
    detail,
    code: error.code,
    instance,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(status === 429 || status === 503 ? { allowed_actions: [{ rel: 'retry-later' }] } : {}),
    ...(error.retryAfterSeconds === undefined ? {} : { retry_after_seconds: error.retryAfterSeconds }),
    error: { code: error.code, message: detail },
  };
}

export function sendProblem(reply: FastifyReply, error: PlatformError): FastifyReply {
  const problem = problemOf(error, pathOf(reply.request.url));
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  // Serialised here: a route's response schemas say nothing about problems.
  return reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}

/** Without the query, which may hold what a client would not want repeated. */
export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

function fieldsOf(error: unknown): { code?: string; statusCode?: number; message: string } {
  if (!(error instanceof Error)) return { message: '' };
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  return {
    message: error.message,
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof statusCode === 'number' ? { statusCode } : {}),
  };
}

function isUnreachable(error: unknown, code: string | undefined): boolean {
  const state = sqlState(error);
  if (state !== null) return state.startsWith('08') || state === '57P01' || state === '57P02' || state === '57P03' || state === '53300';
  if (code !== undefined && UNREACHABLE.has(code)) return true;
  return error instanceof Error && /^(Connection terminated|timeout exceeded when trying to connect)/.test(error.message);
}
