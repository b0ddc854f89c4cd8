import { createIdSource, DEFAULT_ORG_ID, fromPublicId, SESSION_OPS, toPublicId } from '@everruns/contract';
import type { IdKind, OpArgs, ResolvedModel, SessionOp, Uuid } from '@everruns/contract';
import { createVault, LeaseLostError, provisionOrganization } from '@everruns/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TEST_KEYRING, textOf } from '../http/testing/test-app.ts';
import type { TestApp } from '../http/testing/test-app.ts';
import { provisionPlan } from '../services/provisioning.ts';
import { SCHEDULE_LIMITS } from '../services/schedules.ts';
import { createSessionConfigs } from '../services/session-configs.ts';
import { allSessionOps } from './all-ops.ts';
import type { LeaseScope, SessionOps } from './scope.ts';
import { appWithoutEngine, leaseScope } from './testing/leases.ts';

/**
 * What a worker can do with the lease of one session to another one: nothing. Every op is called with names and ids of a session that has
 * something in every place, in the name of a lease of a second session of the same organization and of one of another organization; and
 * with scopes that no gateway makes, in which the lease is not that of the session or of the organization.
 */
const ids = createIdSource();
const OTHER = ids.next();
/** In everything that the session holds, and in no name. */
const CANARY = 'canary-of-theirs';

let app: TestApp;
let ops: SessionOps;
let theirs: LeaseScope;
let mine: LeaseScope;
let foreign: LeaseScope;
/** What rows of their session carry. */
let marks: string[];
let task: string;
let schedule: string;
let server: string;

beforeAll(async () => {
  app = await appWithoutEngine();
  const { db } = app;
  await db.run({ name: 'other_org', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER]);
  await db.transaction((tx) => provisionOrganization(tx, provisionPlan(OTHER, 'dev')));
  const vault = createVault({ db, keyring: TEST_KEYRING });
  ops = allSessionOps({
    db,
    ids,
    vault,
    feed: { committed: () => undefined },
    schedules: SCHEDULE_LIMITS,
    configs: createSessionConfigs({ db, nowMs: () => performance.now(), freshMs: 0 }),
    resolveModel: () => Promise.resolve<ResolvedModel>({ provider_type: 'llmsim', model: 'm', provider_id: ids.next() }),
    tasks: () => app.fixture.engine.tasks,
  });
  await fillTheirs();
  mine = await leaseScope(db, await session());
  foreign = { ...(await leaseScope(db, await sessionElsewhere())), orgId: OTHER };
  await db.run({ name: 'lease_elsewhere', text: 'update leases set org_id = $1 where token = $2' }, [OTHER, foreign.lease.token]);
});
afterAll(() => app.close());

const uuid = (kind: IdKind, id: unknown): Uuid => fromPublicId(kind, textOf(id)) as Uuid;

async function session(body: object = {}): Promise<Uuid> {
  return uuid('session', (await app.call('POST', '/v1/sessions', body)).json['id']);
}

/** A session of the other organization, moved there: nobody here may make one. */
async function sessionElsewhere(): Promise<Uuid> {
  const id = await session();
  const move = `with s as (update sessions set org_id = $1 where id = $2), h as (update session_heads set org_id = $1 where session_id = $2)
    update workspaces w set org_id = $1 from sessions x where x.id = $2 and w.id = x.workspace_id`;
  await app.db.run({ name: 'session_elsewhere', text: move }, [OTHER, id]);
  return id;
}

/** Their session, with something in every place that an op reaches. */
async function fillTheirs(): Promise<void> {
  const made = async (path: string, body: unknown) => (await app.call('POST', path, body)).json;
  const memory = textOf((await made('/v1/memories', { name: 'theirs' }))['id']);
  await made(`/v1/memories/${memory}/fs/theirs.txt`, { content: CANARY });
  const base = textOf((await made('/v1/knowledge-bases', { name: 'theirs' }))['id']);
  await made(`/v1/knowledge-bases/${base}/entries`, { title: CANARY, body: 'theirs' });
  const mcp = { name: 'theirs', url: `https://example.com/${CANARY}`, api_key: CANARY };
  const mcpServer = textOf((await made('/v1/mcp-servers', mcp))['id']);
  server = `mcp:${mcpServer}`;
  const skill = await made('/v1/skills', { skill_md: `---\nname: theirs\ndescription: ${CANARY}\n---\n${CANARY}` });
  const capabilities = [
    { ref: 'memory', config: { mounts: [{ memory, path: '/theirs' }] } },
    { ref: 'knowledge_base', config: { bases: [base] } },
    { ref: server },
    { ref: `skill:${textOf(skill['id'])}` },
  ];
  const id = await session({ title: CANARY, capabilities });
  theirs = await leaseScope(app.db, id);
  const at = `/v1/sessions/${toPublicId('session', id)}`;
  await made(`${at}/messages`, { message: { content: [{ type: 'text', text: CANARY }] } });
  await made(`${at}/fs/theirs.txt`, { content: CANARY });
  await app.call('PUT', `${at}/storage/secrets`, { secrets: { theirs: CANARY } });
  await made('/v1/budgets', { subject_type: 'session', subject_id: toPublicId('session', id), currency: 'usd', limit: 1 });
  await ops(theirs, 'kv.set', { key: 'theirs', value: CANARY });
  await ops(theirs, 'databases.write', database(null));
  const due = { message: CANARY, scheduled_at: '2999-01-01T00:00:00Z' };
  schedule = ((await ops(theirs, 'schedules.create', due)) as { id: string }).id;
  await ops(theirs, 'containers.use', { engine: 'theirs' });
  await ops(theirs, 'approvals.record', { action: CANARY, outcome: 'approved' });
  const taskId = ids.next();
  const insert = `insert into session_tasks (id, org_id, session_id, root_session_id, kind, display_name, state, result)
    select $1, org_id, id, id, 'subagent', $3::text, 'running', to_jsonb($3::text) from sessions where id = $2`;
  await app.db.run({ name: 'task_of_theirs', text: insert }, [taskId, id, CANARY]);
  task = toPublicId('task', taskId);
  const [{ workspace } = { workspace: '' }] = await app.db.run<{ workspace: Uuid }>(
    { name: 'workspace_of_theirs', text: 'select workspace_id as workspace from sessions where id = $1' },
    [id],
  );
  const [kept] = await app.db.run<{ workspace: Uuid }>(
    { name: 'workspace_of_memory', text: 'select workspace_id as workspace from memories where id = $1' },
    [uuid('memory', memory)],
  );
  marks = [id, workspace, taskId, uuid('memory', memory), kept?.workspace ?? '', uuid('knowledge_base', base), uuid('mcp', mcpServer)];
}

const write = { path: '/theirs.txt', content: 'x', encoding: 'text' as const };
const HASH = `sha256:${'0'.repeat(64)}`;
const database = (revision: number | null) => ({
  name: 'theirs',
  revision,
  page_bytes: 4_096 as const,
  page_count: 1,
  pages: [{ n: 1, content: Buffer.alloc(4_096, CANARY).toString('base64') }],
  tables: [],
  result: null,
});

/** Every op, with what is there in their session. Ids are known once the session is. */
const CALLS: { [Op in SessionOp]: () => OpArgs<Op>[] } = {
  'session.info': () => [{}],
  'session.set_title': () => [{ title: 'x' }],
  'kv.set': () => [{ key: 'theirs', value: 'x' }],
  'kv.get': () => [{ key: 'theirs' }],
  'kv.delete': () => [{ key: 'theirs' }],
  'kv.list': () => [{}],
  'secrets.set': () => [{ name: 'theirs', value: 'x' }],
  'secrets.get': () => [{ name: 'theirs' }],
  'secrets.delete': () => [{ name: 'theirs' }],
  'secrets.list': () => [{}],
  'approvals.record': () => [{ action: 'x', outcome: 'rejected' }],
  'approvals.set_mode': () => [{ mode: 'off' }],
  'files.read': () => [{ paths: ['/theirs.txt', '/theirs/theirs.txt'], content: 'all' }],
  'files.list': () => [
    { path: '/', recursive: true, offset: 0, limit: 100 },
    { path: '/theirs', recursive: true, offset: 0, limit: 100 },
  ],
  'files.grep': () => [{ pattern: 'canary', offset: 0, limit: 100 }],
  'files.write': () => [write, { ...write, path: '/theirs/theirs.txt' }],
  'files.mkdir': () => [{ path: '/theirs-too' }, { path: '/theirs/too' }],
  'files.delete': () => [
    { path: '/theirs.txt', recursive: false },
    { path: '/theirs/theirs.txt', recursive: false },
  ],
  'files.move': () => [{ from: '/theirs.txt', to: '/theirs-moved.txt', overwrite: true }],
  'files.copy': () => [{ from: '/theirs.txt', to: '/theirs-copied.txt', overwrite: true }],
  'files.tree': () => [{ contents: ['/theirs.txt', '/theirs/theirs.txt'] }],
  'files.apply': () => [
    { batch: ids.random(), changes: [{ path: '/theirs.txt', base: 'nothing', to: 'file', content: 'x', encoding: 'text' }] },
    { batch: ids.random(), changes: [{ path: '/theirs/theirs.txt', base: 'nothing', to: 'file', content: 'x', encoding: 'text' }] },
    { batch: ids.random(), changes: [{ path: '/copy.txt', base: 'nothing', to: 'copy', of: '/theirs.txt', hash: HASH }] },
  ],
  'containers.use': () => [{ engine: 'theirs' }, { engine: 'other' }],
  'containers.end': () => [{}],
  'databases.open': () => [{ name: 'theirs' }],
  'databases.write': () => [
    { ...database(1), pages: [] },
    { ...database(null), pages: [] },
  ],
  'databases.schema': () => [{ name: 'theirs' }],
  'knowledge.search': () => [{ query: 'canary theirs', limit: 10 }],
  'mcp.servers': () => [{}],
  'mcp.connect': () => [{ ref: server }],
  'mcp.keep_tools': () => [
    { ref: server, tools: [{ name: 'x' }] },
    { ref: server, tools: null },
  ],
  'context.summary_model': () => [{}],
  'history.query': () => [{ limit: 100 }, { query: 'canary', limit: 100 }],
  'tasks.spawn': () => [
    {
      name: 'x',
      instructions: 'x',
      lifetime: 'linked',
      seed: 'workspace',
      wake_policy: 'silent',
      limits: { max_subagent_depth: 2, max_active_subagents: 2, max_total_subagents: 2 },
    },
  ],
  'tasks.run': () => [{ title: 'x', signal_on_completion: false }],
  'tasks.wait': () => [{ task_id: task, wait_ms: 0 }, { wait_ms: 0 }],
  'tasks.list': () => [{}],
  'tasks.get': () => [{ task_id: task }],
  'tasks.message': () => [{ task_id: task, text: 'x' }],
  'tasks.cancel': () => [{ task_id: task }],
  'tasks.report_result': () => [{ result: 'x' }],
  'tasks.report_progress': () => [{ state_detail: 'x' }],
  'skills.list': () => [{}],
  'skills.activate': () => [{ name: 'theirs' }],
  'budgets.reserve': () => [{ n: 1, known: [], input_tokens: 1, input_nano: 1, output_nano: 1, min_output: 1, max_output: 1 }],
  'budgets.standing': () => [{}],
  'judges.model': () => [{}],
  'schedules.create': () => [{ message: 'x', scheduled_at: '2999-01-01T00:00:00Z' }],
  'schedules.list': () => [{}],
  'schedules.cancel': () => [{ schedule_id: schedule }],
};

/** Every row, of every table, that belongs to their session. */
async function rowsOfTheirs(): Promise<string[]> {
  const tables = await app.db.run<{ name: string }>({
    name: 'test_tables',
    text: `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`,
  });
  const found = tables.map(({ name }) => `select '${name} ' || t::text as line from ${name} t where t::text like any($1)`);
  const rows = await app.db.run<{ line: string }>({ name: 'rows_of_theirs', text: found.join(' union all ') }, [
    marks.map((mark) => `%${mark}%`),
  ]);
  return rows.map(({ line }) => line).sort();
}

/** What the op answered or why it was refused. */
async function asked(scope: LeaseScope, op: SessionOp, args: unknown): Promise<string> {
  try {
    return JSON.stringify((await ops(scope, op, args)) ?? null);
  } catch (error) {
    return `${error instanceof LeaseLostError ? 'lease lost' : ''} ${String(error)}`;
  }
}

const everyOp = Object.keys(SESSION_OPS) as SessionOp[];

test('the ops are the ones of this table, and their own lease reaches what they hold', async () => {
  expect(Object.keys(CALLS).sort()).toEqual([...everyOp].sort());
  expect(await rowsOfTheirs()).not.toEqual([]);
  const reads: SessionOp[] = ['session.info', 'kv.get', 'secrets.get', 'files.read', 'files.grep', 'files.tree', 'knowledge.search'];
  reads.push('mcp.servers', 'mcp.connect', 'history.query', 'tasks.list', 'tasks.get', 'skills.list', 'schedules.list');
  const silent = [];
  for (const op of reads) if (!(await asked(theirs, op, CALLS[op]()[0])).includes(CANARY)) silent.push(op);
  expect(silent).toEqual([]);
});

describe.each(everyOp)('%s', (op) => {
  const scopes: [name: string, scope: () => LeaseScope][] = [
    ['the lease of another session', () => mine],
    ['the lease of a session of another organization', () => foreign],
    ['their session in the name of another organization', () => ({ ...theirs, orgId: OTHER, lease: foreign.lease })],
  ];
  test.each(scopes)('%s neither reads nor changes anything of theirs', async (_name, scope) => {
    const before = await rowsOfTheirs();
    for (const args of CALLS[op]()) expect(await asked(scope(), op, args)).not.toContain(CANARY);
    expect(await rowsOfTheirs()).toEqual(before);
  });

  test('their session under a lease of another one changes nothing', async () => {
    const before = await rowsOfTheirs();
    for (const lease of [mine.lease, foreign.lease]) for (const args of CALLS[op]()) await asked({ ...theirs, lease }, op, args);
    expect(await rowsOfTheirs()).toEqual(before);
  });

  test('takes its session, organization and workspace from the lease alone', () => {
    for (const member of ['session_id', 'org_id', 'organization_id', 'workspace_id']) {
      const [first = {}] = CALLS[op]() as object[];
      const problems = SESSION_OPS[op].args.safeParse({ ...first, [member]: DEFAULT_ORG_ID }).error?.issues ?? [];
      expect(problems.map(({ code }) => code)).toContain('unrecognized_keys');
    }
  });
});
