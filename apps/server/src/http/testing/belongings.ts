import { createIdSource, fromPublicId, toPublicId } from '@everruns/contract';
import type { IdKind, Uuid } from '@everruns/contract';
import { createSchedule } from '@everruns/storage';
import { rowsOf, textOf } from './test-app.ts';
import type { TestApp, Wire } from './test-app.ts';

/** How the parts of an organization are called in requests of tests, and what their ids begin with; null for those that are bare UUIDs. */
export const BELONGINGS = {
  organization: 'org',
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
  turn: 'turn',
  message: 'message',
  event: 'event',
  task: 'task',
  message_of_task: 'tmsg',
  schedule: 'sched',
  webhook: 'wh',
  image: 'img',
  participant: 'part',
  skill: 'skill',
  mcp: 'mcp',
  invitation: 'invite',
  user: null,
  service_account: null,
  account_token: null,
  token: null,
} as const;

export type Belonging = keyof typeof BELONGINGS;
/** Public ids. */
export type Belongings = Record<Belonging, string>;

const ids = createIdSource();
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export interface Owner {
  orgId: Uuid;
  /** A member, who asks. */
  userId: Uuid;
  /** Of requests of the organization. */
  headers: Record<string, string>;
  /** Of everything that has a name. */
  name: string;
}

/** One of each kind, made over the API where it makes them. */
export async function makeBelongings(app: TestApp, { orgId, userId, headers, name }: Owner): Promise<Belongings> {
  const made = async (path: string, body: unknown): Promise<Wire> => (await app.call('POST', path, body, headers)).json;
  const read = async (path: string): Promise<Wire> => (await app.call('GET', path, undefined, headers)).json;
  const idOf = async (path: string, body: unknown): Promise<string> => textOf((await made(path, body))['id']);
  const session = await made('/v1/sessions', { title: name });
  const sessionId = textOf(session['id']);
  const at = `/v1/sessions/${sessionId}`;
  await made(`${at}/messages`, { message: { content: [{ type: 'text', text: name }] } });
  for (const file of [`${name}.txt`, `${name}.html`]) await made(`${at}/fs/${file}`, { content: name });
  await made(`${at}/databases`, { name });
  await app.call('PUT', `${at}/storage/secrets`, { secrets: { [name]: name } }, headers);
  const firstOf = async (part: string): Promise<string> => {
    const list = await read(`${at}/${part}`);
    return textOf(rowsOf(Array.isArray(list) ? list : list['data'])[0]?.['id']);
  };
  const provider = await idOf('/v1/providers', { name, provider_type: 'openai', api_key: `sk-${name}` });
  const memory = await idOf('/v1/memories', { name });
  await made(`/v1/memories/${memory}/fs/${name}.txt`, { content: name });
  const base = await idOf('/v1/knowledge-bases', { name });
  const organization = toPublicId('organization', orgId);
  const account = await idOf('/v1/service-accounts', { name });
  return {
    organization,
    user: userId,
    service_account: account,
    account_token: await idOf(`/v1/service-accounts/${account}/tokens`, { name }),
    token: await idOf('/v1/auth/personal-access-tokens', { name }),
    invitation: await idOf(`/v1/orgs/${organization}/invites`, { email: `invited-${name}@example.com` }),
    session: sessionId,
    workspace: textOf(session['workspace_id']),
    agent: await idOf('/v1/agents', { name, system_prompt: 'p' }),
    harness: await idOf('/v1/harnesses', { name }),
    provider,
    model: await idOf(`/v1/providers/${provider}/models`, { model_id: name, display_name: 'M' }),
    memory,
    base,
    entry: await idOf(`/v1/knowledge-bases/${base}/entries`, { title: name, body: name }),
    budget: await idOf('/v1/budgets', { subject_type: 'session', subject_id: sessionId, currency: 'usd', limit: 1 }),
    skill: await idOf('/v1/skills', { skill_md: `---\nname: ${name}\ndescription: ${name}\n---\n${name}` }),
    mcp: await idOf('/v1/mcp-servers', { name, url: 'https://example.com/' }),
    webhook: await idOf('/v1/task-webhooks', { url: 'https://example.com/' }),
    image: textOf((await sendPixel(app, '/v1/images', headers)).json['id']),
    turn: await firstOf('turns'),
    message: await firstOf('messages'),
    event: await firstOf('events'),
    participant: await firstOf('participants'),
    ...(await makeWithoutApi(app, { orgId, sessionId: fromPublicId('session', sessionId) as Uuid })),
  };
}

/** What sessions make themselves. */
async function makeWithoutApi(
  { db }: TestApp,
  at: { orgId: Uuid; sessionId: Uuid },
): Promise<Pick<Belongings, 'task' | 'message_of_task' | 'schedule'>> {
  const made = <K extends IdKind>(kind: K): { id: Uuid; shown: string } => {
    const id = ids.next();
    return { id, shown: toPublicId(kind, id) };
  };
  const [task, message, schedule] = [made('task'), made('task_message'), made('schedule')];
  const insertTask = `insert into session_tasks (id, org_id, session_id, root_session_id, kind, display_name, state)
    select $1, org_id, id, id, 'subagent', 'one', 'running' from sessions where id = $2`;
  await db.run({ name: 'test_task', text: insertTask }, [task.id, at.sessionId]);
  const insertMessage = `insert into session_task_messages (id, task_id, direction, content) values ($1, $2, 'outbound', '[]')`;
  await db.run({ name: 'test_task_message', text: insertMessage }, [message.id, task.id]);
  const due = { cron: '0 9 * * *', timezone: 'UTC', nextAt: new Date('2999-01-01T09:00:00.000Z') };
  const limits = { perSession: 100, perOrg: 1_000 };
  await createSchedule(db, { ...at, ...due, id: schedule.id, message: 'x' }, { lease: null, limits });
  return { task: task.shown, message_of_task: message.shown, schedule: schedule.shown };
}

/** Uploads an image of one pixel. */
export async function sendPixel(app: TestApp, path: string, headers: Record<string, string>): ReturnType<TestApp['call']> {
  const form = new FormData();
  form.append('file', new Blob([Buffer.from(PIXEL, 'base64')]), 'pixel.png');
  const sent = new Response(form);
  const type = sent.headers.get('content-type') ?? '';
  return app.call('POST', path, new Uint8Array(await sent.arrayBuffer()), { ...headers, 'content-type': type });
}
