import { describe, expect, it } from 'vitest';
import {
  ApiError,
  AuthenticationError,
  ConflictError,
  ConnectionError,
  InvalidRequestError,
  NotFoundError,
  PermissionError,
  RateLimitError,
  ServerError,
} from './errors.ts';
import { REPEATABLE, transport } from './transport.ts';

const problem = (status: number, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify({ status, code: `code_${status}`, detail: `Refused with ${status}.`, field: 'name' }), {
    status,
    headers: { 'content-type': 'application/problem+json', 'x-request-id': 'r-1', ...headers },
  });
const fine = (): Response => new Response('{}', { status: 200 });

/** A client against these answers, one after the other; an Error stands for a broken connection. */
function against(answers: (() => Response | Error)[]) {
  const asked: Request[] = [];
  const pauses: number[] = [];
  const call = transport({
    fetch: async (input) => {
      asked.push(input as Request);
      const answer = (answers[asked.length - 1] ?? fine)();
      if (answer instanceof Error) throw answer;
      return answer;
    },
    headers: async () => ({ authorization: `Bearer ${asked.length}` }),
    retry: { attempts: 4, minDelayMs: 100, maxDelayMs: 5_000 },
    pause: async (ms) => void pauses.push(ms),
    random: () => 1,
  });
  return { call, asked, pauses };
}

const broken = (): Error => new TypeError('fetch failed');
const url = 'http://test.example/api/v1/x';

describe('what may be repeated is tried again', () => {
  it.each([
    ['a GET after a lost connection', 'GET', {}, broken],
    ['a PUT after 503', 'PUT', {}, () => problem(503)],
    ['a DELETE after 502', 'DELETE', {}, () => problem(502)],
    ['a POST that the server has refused to look at', 'POST', {}, () => problem(429)],
    ['a POST that changes nothing the second time', 'POST', { [REPEATABLE]: '1' }, broken],
  ])('%s', async (_name, method, headers, first) => {
    const { call, asked, pauses } = against([first, first]);
    expect((await call(url, { method, headers })).status).toBe(200);
    expect(asked).toHaveLength(3);
    expect(pauses).toEqual([100, 200]);
    expect(asked[0]?.headers.has(REPEATABLE)).toBe(false);
  });

  it('with its body', async () => {
    const { call, asked } = against([broken]);
    await call(url, { method: 'PUT', body: '{"a":1}' });
    expect(await Promise.all(asked.map((each) => each.text()))).toEqual(['{"a":1}', '{"a":1}']);
  });

  it('as late as the server asks, unless that is too long to wait for', async () => {
    const soon = against([() => problem(429, { 'retry-after': '2' })]);
    await soon.call(url);
    expect(soon.pauses).toEqual([2_000]);
    const late = against([() => problem(429, { 'retry-after': '60' })]);
    await expect(late.call(url)).rejects.toMatchObject({ retryAfterSeconds: 60 });
    expect(late.asked).toHaveLength(1);
  });
});

describe('what may have been done is not done again', () => {
  it.each([
    ['a lost connection', broken, ConnectionError],
    ['503', () => problem(503), ServerError],
    ['504', () => problem(504), ServerError],
  ])('a POST after %s', async (_name, first, error) => {
    const { call, asked } = against([first]);
    await expect(call(url, { method: 'POST' })).rejects.toBeInstanceOf(error);
    expect(asked).toHaveLength(1);
  });

  it('nor is there an end without an end: the last failure is thrown', async () => {
    const { call, asked } = against(Array.from({ length: 9 }, () => broken));
    await expect(call(url)).rejects.toBeInstanceOf(ConnectionError);
    expect(asked).toHaveLength(4);
  });

  it('an abort ends it, with the reason that was given', async () => {
    const abort = new AbortController();
    const { call, asked } = against([
      () => {
        abort.abort(new Error('no longer wanted'));
        return broken();
      },
    ]);
    await expect(call(url, { signal: abort.signal })).rejects.toThrow();
    expect(asked).toHaveLength(1);
  });
});

it.each([
  [400, InvalidRequestError],
  [413, InvalidRequestError],
  [422, InvalidRequestError],
  [401, AuthenticationError],
  [403, PermissionError],
  [404, NotFoundError],
  [410, NotFoundError],
  [409, ConflictError],
  [429, RateLimitError],
  [500, ServerError],
  [418, ApiError],
])('a refusal with %i has a class, a code, a field and the id of the request', async (status, Class) => {
  const { call } = against([() => problem(status), () => problem(status), () => problem(status), () => problem(status)]);
  const error: unknown = await call(url, { method: 'POST' }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Class);
  expect(error).toMatchObject({ status, code: `code_${status}`, field: 'name', requestId: 'r-1', message: `Refused with ${status}.` });
});

it("a proxy's page is an error as well", async () => {
  const { call } = against([() => new Response('<h1>Bad gateway</h1>', { status: 500 })]);
  await expect(call(url, { method: 'POST' })).rejects.toMatchObject({ status: 500, code: 'unknown', message: 'The server answered 500.' });
});
