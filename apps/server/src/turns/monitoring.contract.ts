import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../config.ts';
import { startServer } from '../server.ts';
import type { RunningServer } from '../server.ts';
import { answer, call, HandWorker } from './testing/fixture.ts';

/** What operators see of a whole control plane while it works. */
let database: TestDatabase;
let server: RunningServer;
const workers: HandWorker[] = [];

beforeEach(async () => {
  database = await testDatabase();
  const env = { DATABASE_URL: database.url, DEV_MODE: 'true', HTTP_ADDR: '127.0.0.1:0', LOG_LEVEL: 'silent' };
  server = await startServer(loadConfig(env));
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.vanish();
  await server.stop();
  await database.drop();
});

type Json = Record<string, unknown>;

async function ask(path: string, method = 'GET', body?: Json): Promise<{ status: number; text: string; json: Json }> {
  const json = body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`${server.url}/api/v1${path}`, { method, ...json });
  const text = await response.text();
  return { status: response.status, text, json: (text.startsWith('{') ? JSON.parse(text) : {}) as Json };
}

const health = async () => (await ask('/durable/health')).json;

function workerHere(): HandWorker {
  const worker = new HandWorker(server);
  workers.push(worker);
  return worker;
}

async function say(text: string): Promise<void> {
  const session = await ask('/sessions', 'POST', {});
  const message = { message: { role: 'user', content: [{ type: 'text', text }] } };
  const posted = await ask(`/sessions/${String(session.json['id'])}/messages`, 'POST', message);
  expect([session.status, posted.status], `${session.text} ${posted.text}`).toEqual([201, 201]);
}

describe('the health of the engine', () => {
  test('without workers: turns wait, and nothing takes them up', async () => {
    expect(await health()).toMatchObject({ status: 'degraded', pending_workflows: 0, running_workflows: 0, started_workflows: 0 });
    await say('Hi');
    await say('You there?');
    expect(await health()).toMatchObject({
      status: 'unhealthy',
      pending_tasks: 2,
      claimed_tasks: 0,
      started_tasks: 0,
      pending_workflows: 2,
      running_workflows: 0,
      started_workflows: 2,
    });
  });

  test('counts what runs, what has ended, and how', async () => {
    const worker = workerHere();
    await say('Waits for its client');
    const first = await worker.reason();
    await worker.complete(first.task, answer(first.input, { text: '', calls: [call('ask', { side: 'client' })] }));
    await say('Uses a tool');
    const second = await worker.reason();
    await worker.complete(second.task, answer(second.input, { text: '', calls: [call('a')] }), false);
    const tool = await worker.tool('a');
    expect(await health()).toMatchObject({
      claimed_tasks: 1,
      pending_workflows: 0,
      running_workflows: 2,
      current_load: 1,
      active_workers: 1,
    });
    await worker.complete(tool.task, { kind: 'tool', status: 'error', error: 'no', duration_ms: 1, events: [] }, false);
    const last = await worker.reason();
    await worker.complete(last.task, answer(last.input));
    await say('Breaks');
    const broken = await worker.reason();
    await worker.complete(broken.task, { kind: 'failure', code: 'bad', message: 'no', retryable: false });
    expect(await health()).toMatchObject({
      status: 'healthy',
      pending_tasks: 0,
      claimed_tasks: 0,
      started_tasks: 5,
      completed_tasks: 3,
      failed_tasks: 2,
      dlq_size: 1,
      pending_workflows: 0,
      running_workflows: 1,
      started_workflows: 3,
      completed_workflows: 1,
      failed_workflows: 1,
    });
    const list = (await ask('/durable/workers')).json as { data: Json[]; summary: Json };
    expect(list).toMatchObject({ data: [{ id: worker.workerId, tasks_completed: 3, tasks_failed: 2, current_load: 0 }], total: 1 });
    expect((await ask('/durable/workers?worker_group=elsewhere')).json).toMatchObject({ data: [], total: 0 });
  });
});

test('a dead letter is listed, run again as a task of its own, and then neither listed nor run a second time', async () => {
  const worker = workerHere();
  await say('Breaks');
  const broken = await worker.reason();
  await worker.complete(broken.task, { kind: 'failure', code: 'bad', message: 'no way', retryable: false });
  const list = (await ask('/durable/dlq')).json as { data: Json[]; total: number };
  expect(list).toMatchObject({
    total: 1,
    data: [{ activity_type: 'reason', attempts: 1, last_error: 'no way', error_history: ['no way'] }],
  });
  const id = String(list.data[0]?.['id']);
  const retried = await ask(`/durable/dlq/${id}/retry`, 'POST');
  expect(retried.status).toBe(200);
  const again = await worker.reason();
  expect(again.task.taskId).toBe(retried.text);
  expect((await ask('/durable/dlq')).json).toEqual({ data: [], total: 0 });
  expect((await ask(`/durable/dlq/${id}/retry`, 'POST')).status).toBe(409);
  await worker.complete(again.task, answer(again.input));
  expect(await health()).toMatchObject({ dlq_size: 0, failed_workflows: 1, completed_workflows: 1 });
});
