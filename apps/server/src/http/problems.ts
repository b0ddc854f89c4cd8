import { ERROR_CODES, PlatformError } from '@everruns/contract';
import type { ErrorCode, Problem } from '@everruns/contract';
import { outcomeUnknown, sqlState } from '@everruns/storage';
import type { FastifyReply } from 'fastify';
import type { Socket } from 'node:net';

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
  FST_ERR_MAX_PARAM_LENGTH: 'malformed_id',
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
/** Where the framework's own words do not say what to do. */
const TEXTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  unsupported_media_type: 'Bodies are UTF-8 JSON, with the header "Content-Type: application/json", and files multipart/form-data.',
  malformed_id: 'An id or name in the path is too long.',
};
const TOO_MANY_CONNECTIONS = '53300';

export function toPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  const { code, statusCode, message } = fieldsOf(error);
  const known = (code === undefined ? undefined : FRAMEWORK[code]) ?? (statusCode === undefined ? undefined : byStatus(statusCode));
  if (known !== undefined && ERROR_CODES[known].status < 500) return new PlatformError(known, TEXTS[known] ?? message, { cause: error });
  if (known === 'unavailable' || isUnreachable(error)) {
    return new PlatformError('unavailable', 'The store cannot be reached at the moment.', { cause: error, retryAfterSeconds: 1 });
  }
  return new PlatformError('internal', HIDDEN, { cause: error });
}

/** A refusal of the framework that nobody foresaw is still the client's to mend, not a failure of ours. */
function byStatus(status: number): ErrorCode | undefined {
  return BY_STATUS[status] ?? (status >= 400 && status < 500 ? 'invalid_request' : undefined);
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
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  if (error.code === 'unauthenticated' && !reply.hasHeader('www-authenticate')) reply.header('www-authenticate', 'Bearer realm="everruns"');
  // Of what would have been sent instead.
  reply.removeHeader('content-disposition');
  // As bytes: a route's response schemas say nothing about problems, and the media type has no charset.
  return reply
    .code(problem.status)
    .type(PROBLEM_TYPE)
    .send(Buffer.from(JSON.stringify(problem)));
}

/** Bytes that are no HTTP at all never become a request; they are answered on the socket. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [code, line] = CLIENT_ERRORS[error.code ?? ''] ?? (['invalid_request', '400 Bad Request'] as const);
  const body = JSON.stringify(problemOf(new PlatformError(code, 'The request is not valid HTTP.'), '/'));
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${line}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['payload_too_large', '431 Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['invalid_request', '408 Request Timeout'],
};

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

/** The database is away or going away; nothing is known to be wrong with the request. */
function isUnreachable(error: unknown): boolean {
  return outcomeUnknown(error) || sqlState(error) === TOO_MANY_CONNECTIONS;
}
