import { AISDKError, APICallError } from '@ai-sdk/provider';

/** What is known about a failed call, in one shape for all providers. Built once, then judged by `kindOf`. */
export interface Failure {
  /** Status of the HTTP answer, or the one that stands for an error inside a stream. */
  status: number | undefined;
  /** The provider's own codes, most specific first, lower case. */
  codes: string[];
  /** Path of the request's field that the provider complains about. */
  param: string | undefined;
  message: string;
  headers: Readonly<Record<string, string>>;
  /** The provider's error object. */
  details: Readonly<Record<string, unknown>>;
  /** Code of a failed connection, e.g. `ECONNREFUSED`. */
  networkCode: string | undefined;
  /** The answer arrived but could not be understood. */
  unreadable: boolean;
}

const UNREADABLE_ERRORS = new Set([
  'AI_JSONParseError',
  'AI_TypeValidationError',
  'AI_InvalidResponseDataError',
  'AI_EmptyResponseBodyError',
  'AI_NoContentGeneratedError',
]);

/** A server that means harm must not keep the judging of its words busy. */
const MAX_MESSAGE_LENGTH = 4000;

/** Reads what an SDK threw, or an error that arrived as a part of a stream. */
export function describeFailure(error: unknown): Failure {
  const failure = describe(error);
  return { ...failure, message: failure.message.slice(0, MAX_MESSAGE_LENGTH) };
}

function describe(error: unknown): Failure {
  if (APICallError.isInstance(error)) return describeApiCall(error);
  if (AISDKError.isInstance(error)) {
    return { ...blank(error.message), status: UNREADABLE_ERRORS.has(error.name) ? undefined : 400, unreadable: isUnreadable(error) };
  }
  if (error instanceof Error) {
    // The SDKs give up on an answer that they cannot read with a plain Error; anything more specific is a broken connection or a bug.
    return { ...blank(error.message), networkCode: networkCodeOf(error), unreadable: isPlain(error) };
  }
  return describeStreamError(error);
}

function describeApiCall(error: APICallError): Failure {
  const details = errorObject(error.data ?? parseJson(error.responseBody));
  const headers = error.responseHeaders ?? {};
  const networkCode = networkCodeOf(error.cause);
  const status = error.statusCode;
  return {
    ...fromDetails(details, error.message),
    status,
    headers,
    networkCode,
    unreadable: isUnreadable(error.cause) || (status === undefined && networkCode === undefined),
  };
}

function describeStreamError(error: unknown): Failure {
  const frame = record(error);
  const details = errorObject(frame?.['data'] ?? error);
  const failure = fromDetails(details, 'The stream reported an error.');
  const status = frame?.['statusCode'];
  return { ...failure, status: typeof status === 'number' ? status : numericCode(details) };
}

function fromDetails(details: Record<string, unknown>, fallbackMessage: string): Failure {
  const message = details['message'];
  const param = details['param'];
  return {
    ...blank(typeof message === 'string' && message !== '' ? message : fallbackMessage),
    codes: codesOf(details),
    param: typeof param === 'string' ? param : undefined,
    details,
  };
}

function blank(message: string): Failure {
  return { status: undefined, codes: [], param: undefined, message, headers: {}, details: {}, networkCode: undefined, unreadable: false };
}

/** `code`, then the reasons of Google's details, then `type` and `status`: the order of how much they say. */
function codesOf(details: Record<string, unknown>): string[] {
  const nested = record(details['details']);
  const reasons = list(details['details']).map((entry) => record(entry)?.['reason']);
  const candidates = [details['code'], nested?.['error_code'], ...reasons, details['type'], details['status']];
  return candidates.filter((code) => typeof code === 'string').map((code) => code.toLowerCase());
}

function numericCode(details: Record<string, unknown>): number | undefined {
  const code = Number(details['code']);
  return Number.isInteger(code) && code >= 400 && code <= 599 ? code : undefined;
}

/** The object that holds `message` and `code`, wherever the provider has put it. */
function errorObject(body: unknown): Record<string, unknown> {
  const outer = record(Array.isArray(body) ? body[0] : body) ?? {};
  const inner = record(outer['error']) ?? record(record(outer['response'])?.['error']);
  if (inner !== undefined) return inner;
  const text = [outer['error'], outer['detail']].find((value) => typeof value === 'string');
  return text === undefined ? outer : { ...outer, message: outer['message'] ?? text };
}

function isPlain(error: Error): boolean {
  return (error.name === 'Error' || error.name === 'SyntaxError') && networkCodeOf(error) === undefined;
}

function isUnreadable(error: unknown): boolean {
  return AISDKError.isInstance(error) && UNREADABLE_ERRORS.has(error.name);
}

/** First code along the causes that speaks of a connection; undici says `terminated` for an answer that broke off. */
function networkCodeOf(error: unknown): string | undefined {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth += 1) {
    const code = (current as Error & { code?: unknown }).code;
    if (typeof code === 'string' && /^(E[A-Z]{3}|UND_ERR|CERT_|ERR_|SELF_|DEPTH_|UNABLE_)/.test(code)) return code;
    if (current.message === 'terminated') return 'UND_ERR_SOCKET';
  }
  return undefined;
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // A proxy's HTML page: the status has to do.
  }
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
