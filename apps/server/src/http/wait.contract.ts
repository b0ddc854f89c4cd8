import type { ReasonInput } from '@everruns/contract';
import type { Task } from '@everruns/contract/generated/worker';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../config.ts';
import { startServer } from '../server.ts';
import type { RunningServer } from '../server.ts';
import { answer, HandWorker } from '../turns/testing/fixture.ts';
import { rowsOf, textOf } from './testing/test-app.ts';
import type { Wire } from './testing/test-app.ts';

/** `wait=true` through the whole control plane: engine, event pipeline, limits, HTTP. */
let database: TestDatabase;
let server: RunningServer;
let worker: HandWorker;

beforeAll(async () => {
  database = await testDatabase();
  const env = { DATABASE_URL: database.url, DEV_MODE: 'true', HTTP_ADDR: '127.0.0.1:0', LOG_LEVEL: 'silent', SSE_PER_SESSION_MAX: '1' };
  server = await startServer(loadConfig(env));
  worker = new HandWorker(server);
});
afterAll(async () => {
  worker.vanish();
  await server.stop();
  await database.drop();
});

async function post(path: string, body?: unknown): Promise<{ status: number; json: Wire }> {
  const response = await fetch(`${server.url}/api${path}`, {
    method: 'POST',
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Wire };
}

async function newSession(): Promise<string> {
  return textOf((await post('/v1/sessions')).json['id']);
}

function wait(session: string, query = ''): Promise<{ status: number; json: Wire }> {
  return post(`/v1/sessions/${session}/messages?wait=true${query}`, { message: { content: [{ type: 'text', text: 'hi' }] } });
}

/** The next model step of a session. */
async function step(session: string): Promise<{ task: Task; input: ReasonInput }> {
  const inputOf = (task: Task): ReasonInput => JSON.parse(task.input.toString()) as ReasonInput;
  const assigned = await worker.take('assign', (value: { task?: Task }) => {
    return value.task?.pool === 'reason' && inputOf(value.task).ids.session_id === session;
  });
  return { task: assigned.task as Task, input: inputOf(assigned.task as Task) };
}

test('the answer comes with the end of the turn', async () => {
  const session = await newSession();
  const waiting = wait(session);
  const { task, input } = await step(session);
  await worker.complete(task, answer(input, { text: 'Hello there.' }));
  const { status, json } = await waiting;
  expect([status, json['status']]).toEqual([200, 'completed']);
  expect(rowsOf(json['messages'])).toMatchObject([{ role: 'agent', content: [{ type: 'text', text: 'Hello there.' }] }]);
  expect(json['message']).toMatchObject({ role: 'user', delivery: 'started' });
});

test('a turn that was cancelled is a failure with its code', async () => {
  const session = await newSession();
  const waiting = wait(session);
  await step(session);
  await post(`/v1/sessions/${session}/cancel`);
  const { status, json } = await waiting;
  expect([status, json['status'], json['error']?.['code']]).toEqual([200, 'failed', 'turn_cancelled']);
});

test('when the time is up the turn goes on', async () => {
  const session = await newSession();
  const { status, json } = await wait(session, '&timeout_ms=50');
  expect([status, json['status'], json['messages']]).toEqual([202, 'running', []]);
  const { task, input } = await step(session);
  expect(await worker.complete(task, answer(input))).toBe('ok');
});

test('it counts as a stream: one too many is refused, and its message is not stored', async () => {
  const session = await newSession();
  const first = wait(session);
  const { task, input } = await step(session);
  const second = await wait(session);
  expect([second.status, second.json['code']]).toEqual([429, 'too_many_streams']);
  await worker.complete(task, answer(input));
  expect((await first).status).toBe(200);
  const { data } = (await (await fetch(`${server.url}/api/v1/sessions/${session}/messages`)).json()) as { data: unknown[] };
  expect(data).toHaveLength(2);
});

test('the document has the routes of the streams too', async () => {
  const document = (await (await fetch(`${server.url}/api-doc/openapi.json`)).json()) as Wire;
  const paths = Object.keys(document['paths'] as object);
  expect(paths).toEqual(expect.arrayContaining(['/v1/sessions/{id}/events', '/v1/sessions/{id}/sse', '/v1/sessions/{id}/messages']));
  const parameters = rowsOf(document['paths']?.['/v1/sessions/{id}/events']?.['get']?.['parameters']);
  expect(parameters.find((parameter) => textOf(parameter['name']) === 'limit')).toMatchObject({
    schema: { type: 'integer', minimum: 1, maximum: 1_000 },
  });
});
