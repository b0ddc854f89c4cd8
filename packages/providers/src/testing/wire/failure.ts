import type { Json } from '@everruns/agent/model';
import type { WireFailure, WireFrame, WireProtocol } from './reply.ts';

const GOOGLE_STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

const ANTHROPIC_TYPE: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  529: 'overloaded_error',
};

/** The protocol's error object. */
export function errorBody(protocol: WireProtocol, failure: WireFailure): Json {
  const message = failure.message ?? 'The simulator refuses.';
  switch (protocol) {
    case 'anthropic':
      return { type: 'error', error: { type: failure.type ?? ANTHROPIC_TYPE[failure.status] ?? 'invalid_request_error', message } };
    case 'google':
      return { error: { code: failure.status, message, status: failure.code ?? GOOGLE_STATUS[failure.status] ?? 'UNKNOWN' } };
    case 'responses':
    case 'chat':
      return {
        error: { message, type: failure.type ?? openaiType(failure.status), param: failure.param ?? null, code: failure.code ?? null },
      };
  }
}

function openaiType(status: number): string {
  if (status >= 500) return 'server_error';
  return status === 429 ? 'requests' : 'invalid_request_error';
}

/** The same inside a stream that had begun well. */
export function errorFrame(protocol: WireProtocol, failure: WireFailure): WireFrame {
  const body = errorBody(protocol, failure) as Record<string, Json>;
  if (protocol !== 'responses') return { ...(protocol === 'anthropic' ? { event: 'error' } : {}), data: body, isOutput: false };
  const error = { code: failure.code ?? 'server_error', message: failure.message ?? 'The simulator refuses.' };
  return {
    event: 'response.failed',
    data: { type: 'response.failed', sequence_number: 999, response: { id: 'resp_failed', error } },
    isOutput: false,
  };
}
