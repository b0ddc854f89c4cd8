import { ANONYMOUS_USER_ID, DEFAULT_ORG_ID, fromPublicId } from '@everruns/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createExportService } from '../services/exports/service.ts';
import { SEGMENT_MESSAGES } from '../services/exports/segments.ts';
import { answer, call, HandWorker } from '../turns/testing/fixture.ts';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';
import { ROLE_PERMISSIONS } from '@everruns/contract';

let app: TestApp;
beforeAll(async () => {
  app = await testApp();
});
afterAll(() => app.close());

const session = async (body: unknown = {}): Promise<string> => textOf((await app.call('POST', '/v1/sessions', body)).json['id']);
const exported = (id: string, query = ''): Promise<Answer> => app.call('GET', `/v1/sessions/${id}/export?${query}`);
const linesOf = ({ text }: Answer): { sequence: number }[] =>
  text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { sequence: number }]));

/** Messages without turns, as a long log has them. */
async function longLog(id: string, messages: number): Promise<void> {
  const text = `with e as (
      insert into events (session_id, seq, id, type, ts, context, data)
      select $1, n + 1, event_id(now(), $1, n + 1, 0), case n % 2 when 1 then 'input.message' else 'output.message.completed' end, now(), '{}',
        jsonb_build_object('message', jsonb_build_object('id', 'm' || n, 'role', case n % 2 when 1 then 'user' else 'agent' end, 'created_at', '',
          'content', jsonb_build_array(jsonb_build_object('type', 'text', 'text', 'message ' || n)))) from generate_series(1, $2::int) n)
    update session_heads set last_seq = $2 + 1 where session_id = $1`;
  await app.db.run({ name: 'test_long_log', text }, [fromPublicId('session', id), messages]);
}

test('a trajectory has a step per message, results with their calls, and what it cost', async () => {
  const agent = (await app.call('POST', '/v1/agents', { name: 'exporter', system_prompt: 'x' })).json;
  const id = await session({ agent_id: agent['id'] });
  const worker = new HandWorker(app.fixture.engine);
  await app.call('POST', `/v1/sessions/${id}/messages`, { message: { content: [{ type: 'text', text: 'Time?' }] } });
  const first = await worker.reason();
  await worker.complete(first.task, answer(first.input, { text: 'Let me look.', thinking: 'Hm.', calls: [call('c1'), call('c2')] }));
  const one = await worker.tool('c1');
  await worker.complete(one.task, { kind: 'tool', status: 'success', result: { time: 'noon' }, duration_ms: 3, events: [] });
  const two = await worker.tool('c2');
  await worker.complete(two.task, { kind: 'tool', status: 'error', error: 'No clock.', duration_ms: 3, events: [] });
  const last = await worker.reason();
  await worker.complete(
    last.task,
    answer(last.input, { text: 'Noon.', usage: { input_tokens: 20, output_tokens: 5, cache_read_tokens: 8 } }),
  );
  worker.vanish();
  const answered = await exported(id, 'format=atif');
  expect(answered.headers.get('content-type')).toMatch(/^application\/json/);
  expect(answered.json).toEqual({
    schema_version: 'ATIF-v1.7',
    session_id: id,
    agent: { name: 'exporter', version: '0.0.0-test', model_name: 'test' },
    steps: [
      { step_id: 1, timestamp: expect.any(String), source: 'user', message: 'Time?' },
      {
        step_id: 2,
        timestamp: expect.any(String),
        source: 'agent',
        message: 'Let me look.',
        model_name: 'test',
        reasoning_content: 'Hm.',
        tool_calls: [
          { tool_call_id: 'c1', function_name: 'tool_c1', arguments: {} },
          { tool_call_id: 'c2', function_name: 'tool_c2', arguments: {} },
        ],
        observation: {
          results: [
            { source_call_id: 'c1', content: '{"time":"noon"}' },
            { source_call_id: 'c2', content: 'No clock.', extra: { is_error: true } },
          ],
        },
        metrics: { prompt_tokens: 10, completion_tokens: 3 },
      },
      {
        step_id: 3,
        timestamp: expect.any(String),
        source: 'agent',
        message: 'Noon.',
        model_name: 'test',
        metrics: { prompt_tokens: 20, completion_tokens: 5, cached_tokens: 8 },
      },
    ],
    final_metrics: { total_prompt_tokens: 30, total_completion_tokens: 8, total_cached_tokens: 8, total_steps: 3 },
  });
});

test('a long session comes whole as lines, and in segments that go on where the one before ended', async () => {
  const id = await session();
  const count = 2 * SEGMENT_MESSAGES + 20;
  await longLog(id, count);
  const sequences = Array.from({ length: count }, (_, index) => index + 2);
  expect(linesOf(await exported(id)).map(({ sequence }) => sequence)).toEqual(sequences);
  expect(linesOf(await exported(id, `cursor=${count - 1}`)).map(({ sequence }) => sequence)).toEqual(sequences.slice(-2));
  const found: number[] = [];
  let cursor: string | null = '0';
  for (let segments = 0; cursor !== null; segments++) {
    expect(segments).toBeLessThan(4);
    const segment: Answer = await exported(id, `segmented=true&cursor=${cursor}`);
    found.push(...linesOf(segment).map(({ sequence }) => sequence));
    cursor = segment.headers.get('x-next-cursor');
  }
  expect(found).toEqual(sequences);

  const steps: unknown[] = [];
  let url: string | null = `/v1/sessions/${id}/export?format=atif&segmented=true`;
  while (url !== null) {
    const { json }: Answer = await app.call('GET', url);
    steps.push(...rowsOf(json['steps']).map(({ message }) => message));
    const next = json['continued_trajectory_ref'] as string | undefined;
    url = next === undefined ? null : next.replace(`${app.url}/api`, '');
  }
  expect(steps).toEqual(Array.from({ length: count }, (_, index) => `message ${index + 1}`));
  expect(rowsOf((await exported(id, 'format=atif')).json['steps']).length).toBe(count);
});

test('a session without messages is an empty export of either kind', async () => {
  const id = await session();
  expect([(await exported(id)).text, (await exported(id, 'segmented=true')).text]).toEqual(['', '']);
  expect((await exported(id, 'format=atif&segmented=true')).json).toMatchObject({ steps: [], agent: { name: 'everruns' } });
});

test.each([
  ['format=csv', 'format'],
  ['cursor=-1', 'cursor'],
  ['cursor=a', 'cursor'],
  ['segmented=perhaps', 'segmented'],
])('%s is refused', async (query, field) => {
  const refused = await exported(await session(), query);
  expect([refused.status, refused.json['field']]).toEqual([400, field]);
});

test('a conversation that is too long for one document is asked for in segments', async () => {
  const id = await session();
  await longLog(id, 4);
  const exports = createExportService({ db: app.db, version: '1', maxDocumentBytes: 400 });
  const scope = { orgId: DEFAULT_ORG_ID, userId: ANONYMOUS_USER_ID, permissions: ROLE_PERMISSIONS.member };
  const refused = exports.trajectory(scope, fromPublicId('session', id) as string, 0);
  await expect(refused).rejects.toMatchObject({ code: 'payload_too_large', message: expect.stringContaining('segmented=true') });
  const { content } = await exports.segmentTrajectory(scope, fromPublicId('session', id) as string, 0);
  expect(content.steps.length).toBe(4);
});
