import type { Problem } from '@everruns/contract';
import type { FastifyRequest } from 'fastify';
import type { Authenticate } from '../http/authenticate.ts';
import type { InnerCalls } from '../http/inner-calls.ts';
import type { Api } from '../http/types.ts';
import { failureOf, ToolError } from './tool-errors.ts';

export interface ApiCall {
  method: string;
  /** Below the API prefix, encoded: `/v1/sessions`. */
  path: string;
  query?: Readonly<Record<string, unknown>>;
  /** Sent as JSON unless it is a text. */
  body?: unknown;
}

export interface ApiAnswer {
  status: number;
  text: string;
  /** Undefined unless the answer is JSON. */
  json: unknown;
}

/** Throws `ToolError` for every answer that is no success. */
export type CallApi = (call: ApiCall) => Promise<ApiAnswer>;

export interface CallApiOptions {
  /** The request that the calls are made for. */
  request: FastifyRequest;
  /** Public id; what the request itself chose when absent. */
  organizationId: string | undefined;
  signal: AbortSignal;
}

/** What follows a request inside: who asks and from where, never cookies, which this endpoint does not look at. */
const CARRIED = ['authorization', 'x-org-id', 'x-forwarded-for', 'x-real-ip', 'everruns-change-reason', 'user-agent'] as const;

export interface ApiCallerDeps {
  app: Api;
  apiPrefix: string;
  inner: InnerCalls;
  authenticate: Authenticate;
}

/** Calls routes of this process as the caller of a request: through the same checks, and with identity and membership read anew. */
export function createApiCaller({ app, apiPrefix, inner, authenticate }: ApiCallerDeps): (options: CallApiOptions) => CallApi {
  return ({ request, organizationId, signal }) => {
    const headers: Record<string, string> = { 'x-request-id': request.id };
    for (const name of CARRIED) {
      const value = request.headers[name];
      if (value !== undefined) headers[name] = [value].flat().join(', ');
    }
    if (organizationId !== undefined) headers['x-org-id'] = organizationId;
    const remoteAddress = request.socket.remoteAddress;
    return async ({ method, path, query, body }) => {
      const text = typeof body === 'string';
      const sent = body === undefined ? undefined : text ? body : JSON.stringify(body);
      const injected = {
        method: method as 'GET',
        url: `${apiPrefix}${path}${queryOf(query ?? {})}`,
        headers: { ...headers, ...(sent !== undefined && { 'content-type': text ? 'text/plain' : 'application/json' }) },
        signal,
        ...(sent === undefined ? {} : { payload: sent }),
        ...(remoteAddress === undefined ? {} : { remoteAddress }),
      };
      // Awaited inside: what is injected begins when somebody waits for it, in the context of whoever does.
      const response = await inner.run(authenticate, async () => await app.inject(injected));
      const json = isJson(response.headers['content-type']) ? (JSON.parse(response.payload) as unknown) : undefined;
      if (response.statusCode >= 400)
        throw new ToolError(failureOf((json ?? { title: 'No answer', status: response.statusCode }) as Problem));
      return { status: response.statusCode, text: response.payload, json };
    };
  };
}

function isJson(type: unknown): boolean {
  return typeof type === 'string' && /^application\/(problem\+)?json\b/.test(type);
}

function queryOf(query: Readonly<Record<string, unknown>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== undefined && one !== null) parameters.append(name, textOf(one));
  }
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}
