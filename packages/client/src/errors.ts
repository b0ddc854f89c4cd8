/** What a refused request says about itself (RFC 9457), as far as it is known. */
export interface Problem {
  title?: string;
  status?: number;
  detail?: string;
  /** Stable: programs may switch on it. */
  code?: string;
  /** Path of the offending member, such as `message.content`. */
  field?: string;
  instance?: string;
}

/** Anything that a call can end with but its answer. */
export class EverrunsError extends Error {
  override readonly name: string = 'EverrunsError';
}

/** No answer came: the network, a server that went away, or the time that was given. Whether anything was done is not known. */
export class ConnectionError extends EverrunsError {
  override readonly name = 'ConnectionError';
}

/** The server answered, and refused. */
export class ApiError extends EverrunsError {
  override readonly name: string = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly problem: Problem;
  readonly requestId: string | undefined;
  /** Seconds after which another try makes sense. */
  readonly retryAfterSeconds: number | undefined;

  constructor(answer: Response, problem: Problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${answer.status}.`);
    this.status = answer.status;
    this.code = problem.code ?? 'unknown';
    this.problem = problem;
    this.requestId = answer.headers.get('x-request-id') ?? undefined;
    const seconds = Number(answer.headers.get('retry-after') ?? Number.NaN);
    this.retryAfterSeconds = Number.isFinite(seconds) ? seconds : undefined;
  }

  /** Path of the offending member. */
  get field(): string | undefined {
    return this.problem.field;
  }
}

/** 400, 413, 415, 422: the request is wrong as it stands. */
export class InvalidRequestError extends ApiError {
  override readonly name = 'InvalidRequestError';
}

/** 401: no credential, or one that is not valid any more. */
export class AuthenticationError extends ApiError {
  override readonly name = 'AuthenticationError';
}

/** 403: known, and not allowed. */
export class PermissionError extends ApiError {
  override readonly name = 'PermissionError';
}

/** 404, 410: not there, or not for this caller. */
export class NotFoundError extends ApiError {
  override readonly name = 'NotFoundError';
}

/** 409: not in this state. */
export class ConflictError extends ApiError {
  override readonly name = 'ConflictError';
}

/** 429: `retryAfterSeconds` tells when there is room again. */
export class RateLimitError extends ApiError {
  override readonly name = 'RateLimitError';
}

/** 5xx: not the caller's fault. */
export class ServerError extends ApiError {
  override readonly name = 'ServerError';
}

const CLASSES: Readonly<Record<number, typeof ApiError>> = {
  400: InvalidRequestError,
  413: InvalidRequestError,
  415: InvalidRequestError,
  422: InvalidRequestError,
  401: AuthenticationError,
  403: PermissionError,
  404: NotFoundError,
  410: NotFoundError,
  409: ConflictError,
  429: RateLimitError,
};

/** The error that an answer other than 2xx stands for. Its body is read. */
export async function errorOf(answer: Response): Promise<ApiError> {
  const Class = CLASSES[answer.status] ?? (answer.status >= 500 ? ServerError : ApiError);
  return new Class(answer, problemOf(await answer.text().catch(() => '')));
}

function problemOf(text: string): Problem {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null) return body;
  } catch {
    // A proxy's page, or nothing: the status has to say it.
  }
  return {};
}
