import { createIdSource, fromPublicId, toPublicId } from '@everruns/contract';
import { provisionOrganization } from '@everruns/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { provisionPlan } from '../services/provisioning.ts';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp, Wire } from './testing/test-app.ts';
import { ANYONE } from './caller.ts';

/** What belongs to another organization is not there: every route answers for it as it does for what never was. */
const ids = createIdSource();
const OTHER = ids.next();
const AS_OTHER = { 'x-test-org': toPublicId('organization', OTHER) };
const NEVER = 'e'.repeat(32);

let app: TestApp;
let mine: Record<
  | 'agent'
  | 'harness'
  | 'session'
  | 'provider'
  | 'model'
  | 'workspace'
  | 'memory'
  | 'base'
  | 'entry'
  | 'budget'
  | 'turn'
  | 'task'
  | 'webhook'
  | 'image'
  | 'participant'
  | 'skill',
  string
>;

beforeAll(async () => {
  app = await testApp({
    authenticate: (request) => {
      const org = request.headers['x-test-org'];
      return typeof org === 'string' ? { ...ANYONE, orgId: fromPublicId('organization', org) as string } : ANYONE;
    },
  });
  await app.db.run({ name: 'other_org', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER]);
  await app.db.transaction((tx) => provisionOrganization(tx, provisionPlan(OTHER, 'dev')));
  const made = async (path: string, body: unknown): Promise<Wire> => (await app.call('POST', path, body)).json;
  const provider = await made('/v1/providers', { name: 'mine', provider_type: 'openai', api_key: 'sk-mine' });
  const session = await made('/v1/sessions', { title: 'mine' });
  await made(`/v1/sessions/${textOf(session['id'])}/messages`, { message: { content: [{ type: 'text', text: 'mine' }] } });
  for (const name of ['mine.txt', 'mine.html']) await made(`/v1/sessions/${textOf(session['id'])}/fs/${name}`, { content: 'mine' });
  const turns = (await app.call('GET', `/v1/sessions/${textOf(session['id'])}/turns`)).json;
  const memory = textOf((await made('/v1/memories', { name: 'mine' }))['id']);
  await made(`/v1/memories/${memory}/fs/mine.txt`, { content: 'mine' });
  await made(`/v1/sessions/${textOf(session['id'])}/databases`, { name: 'mine' });
  await app.call('PUT', `/v1/sessions/${textOf(session['id'])}/storage/secrets`, { secrets: { mine: 'mine' } });
  const base = textOf((await made('/v1/knowledge-bases', { name: 'mine' }))['id']);
  const task = createIdSource().next();
  const text = `insert into session_tasks (id, org_id, session_id, root_session_id, kind, display_name, state)
    select $1, org_id, id, id, 'subagent', 'mine', 'running' from sessions where id = $2`;
  await app.db.run({ name: 'task_of_first_org', text }, [task, fromPublicId('session', textOf(session['id']))]);
  mine = {
    task: toPublicId('task', task),
    webhook: textOf((await made('/v1/task-webhooks', { url: 'https://example.com/' }))['id']),
    agent: textOf((await made('/v1/agents', { name: 'mine', system_prompt: 'p' }))['id']),
    harness: textOf((await made('/v1/harnesses', { name: 'mine' }))['id']),
    session: textOf(session['id']),
    provider: textOf(provider['id']),
    model: textOf((await made(`/v1/providers/${textOf(provider['id'])}/models`, { model_id: 'mine', display_name: 'M' }))['id']),
    workspace: textOf(session['workspace_id']),
    memory,
    base,
    entry: textOf((await made(`/v1/knowledge-bases/${base}/entries`, { title: 'mine', body: 'mine' }))['id']),
    budget: textOf((await made('/v1/budgets', { subject_type: 'session', subject_id: session['id'], currency: 'usd', limit: 1 }))['id']),
    skill: textOf((await made('/v1/skills', { skill_md: '---\nname: mine\ndescription: mine\n---\nmine' }))['id']),
    turn: textOf(rowsOf(turns['data'])[0]?.['id']),
    image: textOf((await uploadedPixel())['id']),
    participant: textOf(rowsOf((await app.call('GET', `/v1/sessions/${textOf(session['id'])}/participants`)).json)[0]?.['id']),
  };
});
afterAll(() => app.close());

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

async function uploadedPixel(): Promise<Wire> {
  const form = new FormData();
  form.append('file', new Blob([Buffer.from(PIXEL, 'base64')]), 'mine.png');
  const sent = new Response(form);
  const type = sent.headers.get('content-type') ?? '';
  return (await app.call('POST', '/v1/images', new Uint8Array(await sent.arrayBuffer()), { 'content-type': type })).json;
}

const message = { message: { content: [{ type: 'text', text: 'x' }] } };
const agent = { name: 'theirs', system_prompt: 'p' };
/** `{kind}` stands for an id. Each is called with the id of the first organization and with one that never was. */
const requests: [method: string, path: string, body?: Record<string, unknown>][] = [
  ['GET', '/v1/agents/{agent}'],
  ['PATCH', '/v1/agents/{agent}', { description: 'x' }],
  ['DELETE', '/v1/agents/{agent}'],
  ['POST', '/v1/agents/{agent}/delete'],
  ['POST', '/v1/agents/{agent}/copy'],
  ['GET', '/v1/agents/{agent}/export'],
  ['GET', '/v1/agents/{agent}/stats'],
  ['GET', '/v1/agents/mine'],
  ['POST', '/v1/agents', { ...agent, harness_id: '{harness}' }],
  ['POST', '/v1/agents', { ...agent, harness_name: 'mine' }],
  ['POST', '/v1/agents', { ...agent, default_model_id: '{model}' }],
  ['POST', '/v1/agents', { ...agent, model: '{model}' }],
  ['GET', '/v1/sessions/{session}/tasks'],
  ['GET', '/v1/sessions/{session}/resources'],
  ['GET', '/v1/sessions/{session}/storage/keys'],
  ['GET', '/v1/sessions/{session}/storage/secrets'],
  ['PUT', '/v1/sessions/{session}/storage/secrets', { secrets: { theirs: 'x' } }],
  ['DELETE', '/v1/sessions/{session}/storage/secrets/mine'],
  ['GET', '/v1/sessions/{session}/tasks/{task}'],
  ['POST', '/v1/sessions/{session}/tasks/{task}/cancel'],
  ['POST', '/v1/sessions/{session}/tasks/{task}/messages', { text: 'x' }],
  ['GET', '/v1/task-webhooks/{webhook}'],
  ['PATCH', '/v1/task-webhooks/{webhook}', { enabled: false }],
  ['DELETE', '/v1/task-webhooks/{webhook}'],
  ['GET', '/v1/budgets/{budget}'],
  ['PATCH', '/v1/budgets/{budget}', { limit: 2 }],
  ['DELETE', '/v1/budgets/{budget}'],
  ['POST', '/v1/budgets/{budget}/top-up', { amount: 1 }],
  ['GET', '/v1/budgets/{budget}/ledger'],
  ['GET', '/v1/budgets/{budget}/check'],
  ['POST', '/v1/budgets', { subject_type: 'session', subject_id: '{session}', currency: 'usd', limit: 1 }],
  ['POST', '/v1/budgets', { subject_type: 'agent', subject_id: '{agent}', currency: 'usd', limit: 1 }],
  ['GET', '/v1/sessions/{session}/budgets'],
  ['GET', '/v1/sessions/{session}/budget-check'],
  ['POST', '/v1/sessions/{session}/resume'],
  ['GET', '/v1/harnesses/{harness}'],
  ['GET', '/v1/harnesses/mine'],
  ['PATCH', '/v1/harnesses/{harness}', { description: 'x' }],
  ['DELETE', '/v1/harnesses/{harness}'],
  ['POST', '/v1/harnesses/{harness}/delete'],
  ['POST', '/v1/harnesses/{harness}/copy'],
  ['GET', '/v1/harnesses/{harness}/stats'],
  ['POST', '/v1/harnesses', { name: 'theirs', parent_harness_id: '{harness}' }],
  ['POST', '/v1/harnesses', { name: 'theirs', default_model_id: '{model}' }],
  ['POST', '/v1/harnesses/preview', { parent_harness_id: '{harness}' }],
  ['GET', '/v1/harnesses/{harness}/export'],
  ['POST', '/v1/harnesses/preview', { default_model_id: '{model}' }],
  ['POST', '/v1/agents/preview', { harness_id: '{harness}' }],
  ['POST', '/v1/agents/preview', { harness_name: 'mine' }],
  ['POST', '/v1/agents/preview', { default_model_id: '{model}' }],
  ['POST', '/v1/sessions/preview', { agent_id: '{agent}' }],
  ['POST', '/v1/sessions/preview', { agent_name: 'mine' }],
  ['POST', '/v1/sessions/preview', { harness_id: '{harness}' }],
  ['POST', '/v1/sessions/preview', { model_id: '{model}' }],
  ['POST', '/v1/sessions/preview', { workspace_id: '{workspace}' }],
  ['GET', '/v1/sessions/{session}/preview'],
  ['PUT', '/v1/sessions/{session}/archive'],
  ['DELETE', '/v1/sessions/{session}/archive'],
  ['GET', '/v1/sessions/{session}'],
  ['PATCH', '/v1/sessions/{session}', { title: 'x' }],
  ['DELETE', '/v1/sessions/{session}'],
  ['POST', '/v1/sessions/{session}/cancel'],
  ['PUT', '/v1/sessions/{session}/pin'],
  ['DELETE', '/v1/sessions/{session}/pin'],
  ['GET', '/v1/sessions/{session}/messages'],
  ['POST', '/v1/sessions/{session}/messages', message],
  ['POST', '/v1/sessions/{session}/messages?wait=true', message],
  ['POST', '/v1/sessions/{session}/tool-results', { tool_results: [{ tool_call_id: 'x' }] }],
  ['GET', '/v1/sessions/{session}/tool-approvals'],
  ['POST', '/v1/sessions/{session}/tool-approvals', { decisions: [{ tool_call_id: 'x', decision: 'allow' }] }],
  ['DELETE', '/v1/sessions/{session}/tool-approvals/kv_store'],
  ['GET', '/v1/sessions/{session}/question-answers'],
  ['POST', '/v1/sessions/{session}/question-answers', { answers: [{ question_id: 'x', text: 'x' }] }],
  ['GET', '/v1/sessions/{session}/approvals'],
  ['GET', '/v1/sessions/{session}/export'],
  ['POST', '/v1/sessions/{session}/fork', {}],
  ['GET', '/v1/sessions/{session}/participants'],
  ['POST', '/v1/sessions/{session}/participants', { kind: 'user' }],
  ['DELETE', '/v1/sessions/{session}/participants/{participant}'],
  ['GET', '/v1/images/{image}'],
  ['GET', '/v1/images/{image}/thumbnail'],
  ['DELETE', '/v1/images/{image}'],
  ['GET', '/v1/sessions/{session}/turns'],
  ['GET', '/v1/sessions/{session}/turns/{turn}'],
  ['POST', '/v1/sessions', { agent_id: '{agent}' }],
  ['POST', '/v1/sessions', { harness_id: '{harness}' }],
  ['POST', '/v1/sessions', { model_id: '{model}' }],
  ['POST', '/v1/sessions', { workspace_id: '{workspace}' }],
  ['POST', '/v1/sessions', { agent_name: 'mine' }],
  ['GET', '/v1/providers/{provider}'],
  ['PATCH', '/v1/providers/{provider}', { name: 'x' }],
  ['DELETE', '/v1/providers/{provider}'],
  ['POST', '/v1/providers/{provider}/sync-models'],
  ['GET', '/v1/providers/{provider}/models'],
  ['POST', '/v1/providers/{provider}/models', { model_id: 'x', display_name: 'x' }],
  ['GET', '/v1/models/{model}'],
  ['PATCH', '/v1/models/{model}', { display_name: 'x' }],
  ['DELETE', '/v1/models/{model}'],
  ['GET', '/v1/skills/{skill}'],
  ['GET', '/v1/skills/{skill}/content'],
  ['GET', '/v1/skills/{skill}/export'],
  ['PATCH', '/v1/skills/{skill}', { status: 'disabled' }],
  ['DELETE', '/v1/skills/{skill}'],
  ['POST', '/v1/skills/{skill}/delete'],
  ['POST', '/v1/agents', { ...agent, capabilities: [{ ref: 'skill:{skill}' }] }],
  ['POST', '/v1/sessions', { capabilities: [{ ref: 'skill:{skill}' }] }],
  ['GET', '/v1/capabilities/skill:{skill}'],
  ['GET', '/v1/memories/{memory}'],
  ['PATCH', '/v1/memories/{memory}', { description: 'x' }],
  ['DELETE', '/v1/memories/{memory}'],
  ['POST', '/v1/memories/{memory}/delete'],
  ['POST', '/v1/memories/{memory}/sync'],
  ['GET', '/v1/memories/{memory}/fs'],
  ['GET', '/v1/memories/{memory}/fs/mine.txt'],
  ['POST', '/v1/memories/{memory}/fs/theirs.txt', { content: 'x' }],
  ['PUT', '/v1/memories/{memory}/fs/mine.txt', { content: 'x' }],
  ['DELETE', '/v1/memories/{memory}/fs/mine.txt'],
  ['POST', '/v1/memories/{memory}/fs/_/grep', { pattern: 'mine' }],
  ['POST', '/v1/memories/{memory}/fs/_/stat', { path: 'mine.txt' }],
  ['GET', '/v1/memories/{memory}/fs/_/download/mine.txt'],
  ['POST', '/v1/sessions', { capabilities: [{ ref: 'memory', config: { mounts: [{ memory: '{memory}', path: '/a' }] } }] }],
  ['GET', '/v1/knowledge-bases/{base}'],
  ['PATCH', '/v1/knowledge-bases/{base}', { description: 'x' }],
  ['DELETE', '/v1/knowledge-bases/{base}'],
  ['POST', '/v1/knowledge-bases/{base}/delete'],
  ['POST', '/v1/knowledge-bases/{base}/search', { query: 'mine' }],
  ['GET', '/v1/knowledge-bases/{base}/okf_export'],
  ['POST', '/v1/knowledge-bases/{base}/okf_import', { files: [] }],
  ['GET', '/v1/knowledge-bases/{base}/entries'],
  ['POST', '/v1/knowledge-bases/{base}/entries', { title: 'x', body: 'x' }],
  ['GET', '/v1/knowledge-bases/{base}/entries/{entry}'],
  ['PATCH', '/v1/knowledge-bases/{base}/entries/{entry}', { title: 'x' }],
  ['DELETE', '/v1/knowledge-bases/{base}/entries/{entry}'],
  ['POST', '/v1/agents', { ...agent, capabilities: [{ ref: 'knowledge_base', config: { bases: ['{base}'] } }] }],
  ['GET', '/v1/sessions/{session}/databases'],
  ['POST', '/v1/sessions/{session}/databases', { name: 'theirs' }],
  ['GET', '/v1/sessions/{session}/databases/mine'],
  ['GET', '/v1/sessions/{session}/databases/mine/schema'],
  ['DELETE', '/v1/sessions/{session}/databases/mine'],
  ['GET', '/v1/workspaces/{workspace}'],
  ['PATCH', '/v1/workspaces/{workspace}', { description: 'x' }],
  ['DELETE', '/v1/workspaces/{workspace}'],
  ['POST', '/v1/workspaces/{workspace}/delete'],
  ...['sessions/{session}', 'workspaces/{workspace}'].flatMap((base): [string, string, Record<string, unknown>?][] => [
    ['GET', `/v1/${base}/fs`],
    ['GET', `/v1/${base}/fs/mine.txt`],
    ['POST', `/v1/${base}/fs/theirs.txt`, { content: 'x' }],
    ['POST', `/v1/${base}/fs/theirs`, { is_directory: true }],
    ['PUT', `/v1/${base}/fs/mine.txt`, { content: 'x' }],
    ['PUT', `/v1/${base}/fs/mine.txt`, { is_readonly: true }],
    ['DELETE', `/v1/${base}/fs/mine.txt`],
    ['POST', `/v1/${base}/fs/_/move`, { src_path: 'mine.txt', dst_path: 'theirs.txt' }],
    ['POST', `/v1/${base}/fs/_/copy`, { src_path: 'mine.txt', dst_path: 'theirs.txt' }],
    ['POST', `/v1/${base}/fs/_/grep`, { pattern: 'mine' }],
    ['POST', `/v1/${base}/fs/_/stat`, { path: 'mine.txt' }],
    ['GET', `/v1/${base}/fs/_/download/mine.txt`],
    ['GET', `/v1/${base}/fs/_/preview/mine.html`],
  ]),
];

const filled = (text: string, idOf: (kind: keyof typeof mine) => string): string =>
  text.replace(/\{(\w+)\}/g, (_all, kind: keyof typeof mine) => idOf(kind));
const PREFIX = {
  agent: 'agent',
  harness: 'harness',
  session: 'session',
  provider: 'provider',
  model: 'model',
  workspace: 'wsp',
  memory: 'mem',
  base: 'kb',
  entry: 'kbe',
  budget: 'bdgt',
  task: 'task',
  webhook: 'wh',
  skill: 'skill',
  turn: 'turn',
  image: 'img',
  participant: 'part',
};

/** The same but for what the request itself says: path and ids. */
function comparable(answer: Answer, idOf: (kind: keyof typeof mine) => string): unknown {
  let text = answer.text;
  for (const kind of Object.keys(PREFIX) as (keyof typeof mine)[]) text = text.replaceAll(idOf(kind), `{${kind}}`);
  return { status: answer.status, text };
}

test.each(requests)('%s %s %j', async (method, path, body) => {
  const call = async (idOf: (kind: keyof typeof mine) => string): Promise<unknown> => {
    const sent = body === undefined ? undefined : filled(JSON.stringify(body), idOf);
    const headers = { ...AS_OTHER, ...(sent === undefined ? {} : { 'content-type': 'application/json' }) };
    return comparable(await app.call(method, filled(path, idOf), sent, headers), idOf);
  };
  const before = await app.rowCounts();
  const foreign = await call((kind) => mine[kind]);
  expect(foreign).toEqual(await call((kind) => `${PREFIX[kind]}_${NEVER}`));
  expect((foreign as { status: number }).status).toBeGreaterThanOrEqual(400);
  expect(await app.rowCounts()).toEqual(before);
});

test('lists show nothing of it', async () => {
  for (const path of [
    '/v1/agents',
    '/v1/sessions',
    '/v1/sessions/facets',
    '/v1/images',
    '/v1/tasks',
    '/v1/task-webhooks',
    '/v1/harnesses',
    '/v1/providers',
    '/v1/models',
    '/v1/skills',
    '/v1/memories',
    '/v1/memories?scope=agent',
    '/v1/knowledge-bases',
  ]) {
    const { text } = await app.call('GET', path, undefined, AS_OTHER);
    for (const id of Object.values(mine)) expect(text).not.toContain(id);
  }
  expect((await app.call('GET', '/v1/sessions/stats', undefined, AS_OTHER)).json).toMatchObject({ total: 0 });
  expect((await app.call('GET', '/v1/agents/check-name?name=mine', undefined, AS_OTHER)).json).toEqual({ available: true });
});

test('one id may be an agent of two organizations, each with its own', async () => {
  const body = { id: mine.agent, name: 'same-id', system_prompt: 'theirs' };
  expect((await app.call('POST', '/v1/agents', body, AS_OTHER)).status).toBe(201);
  expect((await app.call('GET', `/v1/agents/${mine.agent}`)).json['system_prompt']).toBe('p');
  expect((await app.call('GET', `/v1/agents/${mine.agent}`, undefined, AS_OTHER)).json['system_prompt']).toBe('theirs');
});
