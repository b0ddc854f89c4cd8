import { createIdSource, DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase } from '../database.ts';
import type { Database } from '../database.ts';
import { loadTurnConfig } from './turn-config.ts';

const ids = createIdSource();
let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase(database.settings);
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

/** One row of `table`; what a test does not name is filled in. */
async function row(table: string, columns: Record<string, unknown>): Promise<Uuid> {
  const id = (columns['id'] as Uuid | undefined) ?? ids.next();
  const all: Record<string, unknown> = { id, ...(table === 'organizations' ? {} : { org_id: DEFAULT_ORG_ID }), ...columns };
  const names = Object.keys(all).join(', ');
  const text = `insert into ${table} (${names}) select ${names} from jsonb_populate_record(null::${table}, $1)`;
  await db.run({ name: `row_${table}_${names.length}_${ids.next()}`, text }, [JSON.stringify(all)]);
  return id;
}

const organization = (columns: Record<string, unknown>): Promise<Uuid> => row('organizations', columns);
const harness = (columns: Record<string, unknown> = {}): Promise<Uuid> =>
  row('harnesses', { name: `h-${ids.next()}`, is_built_in: false, ...defaults, ...columns });
const agent = (columns: Record<string, unknown> = {}): Promise<Uuid> =>
  row('agents', { name: `a-${ids.next()}`, system_prompt: 'agent', tools: [], ...defaults, ...columns });
const session = (columns: Record<string, unknown>): Promise<Uuid> =>
  row('sessions', { workspace_id: ids.next(), owner_user_id: ids.next(), tools: [], source: 'api', ...sessionDefaults, ...columns });
const provider = (columns: Record<string, unknown> = {}): Promise<Uuid> =>
  row('providers', { name: `p-${ids.next()}`, provider_type: 'openai', status: 'active', ...times, ...columns });
const model = (providerId: Uuid, columns: Record<string, unknown> = {}): Promise<Uuid> =>
  row('models', {
    provider_id: providerId,
    model_id: `m-${ids.next()}`,
    display_name: 'M',
    capabilities: [],
    enabled: true,
    is_favorite: false,
    source: 'manual',
    stale: false,
    ...times,
    ...columns,
  });

const times = { created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z' };
const sessionDefaults = { capabilities: [], initial_files: [], tags: [], ...times };
const defaults = { ...sessionDefaults, status: 'active' };

async function load(sessionId: Uuid, modelId?: Uuid) {
  const config = await loadTurnConfig(db, { orgId: DEFAULT_ORG_ID, sessionId, ...(modelId === undefined ? {} : { modelId }) });
  if (config === null) throw new Error('no configuration');
  return config;
}

test('layers stand root first, then leaf, agent and session, each with what it sets and nothing else', async () => {
  const root = await harness({ system_prompt: 'root', embedder_metadata: { team: 'x' }, capabilities: [{ ref: 'current_time' }] });
  const middle = await harness({ parent_harness_id: root });
  const leaf = await harness({ parent_harness_id: middle, system_prompt: 'leaf', parallel_tool_calls: false });
  const tool = { type: 'client_side', name: 'pick', description: 'd', parameters: {} };
  const agentId = await agent({ tools: [tool], max_iterations: 7, display_name: 'Agent', description: 'Does things' });
  const id = await session({ harness_id: leaf, agent_id: agentId, system_prompt: 'session', locale: 'uk', hints: { rich_media: true } });
  const config = await load(id);
  expect(config.layers).toEqual([
    {
      tier: 'harness',
      id: toPublicId('harness', root),
      name: expect.any(String),
      system_prompt: 'root',
      capabilities: [{ ref: 'current_time' }],
      embedder_metadata: { team: 'x' },
    },
    { tier: 'harness', id: toPublicId('harness', middle), name: expect.any(String) },
    { tier: 'harness', id: toPublicId('harness', leaf), name: expect.any(String), system_prompt: 'leaf', parallel_tool_calls: false },
    { tier: 'agent', id: toPublicId('agent', agentId), name: expect.any(String), system_prompt: 'agent', tools: [tool], max_iterations: 7 },
    { tier: 'session', id: toPublicId('session', id), system_prompt: 'session' },
  ]);
  expect(config).toMatchObject({ locale: 'uk', hints: { rich_media: true }, agent: { name: 'Agent', description: 'Does things' } });
  expect(config).not.toHaveProperty('problem');
});

test('layers say what they narrow, connect, aim at and put into the workspace, without the contents of files', async () => {
  const file = (path: string) => ({ path, content: 'x'.repeat(1_000), encoding: 'text', is_readonly: false });
  const root = await harness({
    network_access: { allowed: ['*.a.com'] },
    mcp_servers: { docs: { url: 'https://a' } },
    initial_files: [file('/a')],
  });
  const agentId = await agent({ network_access: { blocked: ['b.com'] } });
  const id = await session({ harness_id: root, agent_id: agentId, goal: 'Ship it.', initial_files: [file('/b'), file('/c')] });
  expect((await load(id)).layers).toMatchObject([
    { network_access: { allowed: ['*.a.com'] }, mcp_servers: { docs: { url: 'https://a' } }, initial_files: [{ path: '/a' }] },
    { network_access: { blocked: ['b.com'] } },
    { goal: 'Ship it.', initial_files: [{ path: '/b' }, { path: '/c' }] },
  ]);
});

test('named models come in the order message, session, agent, harness leaf to root, organization', async () => {
  const p = await provider();
  const [m0, m1, m2, m3, m4, m5] = await Promise.all(Array.from({ length: 6 }, () => model(p)));
  const root = await harness({ default_model_id: m4 });
  const leaf = await harness({ parent_harness_id: root, default_model_id: m3 });
  const agentId = await agent({ default_model_id: m2 });
  const id = await session({ harness_id: leaf, agent_id: agentId, model_id: m1 });
  const setDefault = { name: 'set_default', text: 'update organizations set default_model_id = $2 where id = $1' };
  await db.run(setDefault, [DEFAULT_ORG_ID, m5]);
  try {
    expect((await load(id, m0)).named.map(({ modelId }) => modelId)).toEqual([m0, m1, m2, m3, m4, m5]);
    expect((await load(id)).named.map(({ modelId }) => modelId)).toEqual([m1, m2, m3, m4, m5]);
    expect((await load(id, m0)).named.map(({ namedBy }) => namedBy)).toEqual([
      'message',
      'session',
      'agent',
      'harness',
      'harness',
      'organization',
    ]);
  } finally {
    await db.run(setDefault, [DEFAULT_ORG_ID, null]);
  }
});

test('a model that is deleted, or whose provider is off or deleted, is skipped', async () => {
  const [on, off, gone] = [await provider(), await provider({ status: 'disabled' }), await provider({ deleted_at: times.created_at })];
  const good = await model(on);
  const h = await harness({ default_model_id: good });
  const ofGone = await agent({ default_model_id: await model(gone) });
  const id = await session({ harness_id: h, agent_id: ofGone, model_id: await model(off) });
  const deleted = await model(on, { deleted_at: times.created_at });
  expect((await load(id, deleted)).named.map(({ modelId }) => modelId)).toEqual([good]);
  expect((await load(id, ids.next())).named.map(({ modelId }) => modelId)).toEqual([good]);
});

test('a model brings along what its organization knows of it, and what stands in for it while that can be called', async () => {
  const [first, second] = [await provider(), await provider({ provider_type: 'anthropic' })];
  const spare = await model(second, { profile: { cost: { input: 1, output: 2 } } });
  const id = await session({ harness_id: await harness({ default_model_id: await model(first, { fallback_model_id: spare }) }) });
  const [named] = (await load(id)).named;
  expect(named).toMatchObject({ profile: null, fallback: { modelId: spare, providerId: second, providerType: 'anthropic' } });
  expect(named?.fallback?.profile).toEqual({ cost: { input: 1, output: 2 } });
  await db.run({ name: 'spare_off', text: `update providers set status = 'disabled' where id = $1` }, [second]);
  expect((await load(id)).named[0]?.fallback).toBeNull();
});

test('spare models are read only when no level names one: one per provider, favourites first', async () => {
  const [first, second] = [await provider({ created_at: '2020-01-01Z' }), await provider({ created_at: '2020-01-02Z' })];
  await model(first, { enabled: false, created_at: '2019-01-01Z' });
  const oldest = await model(first, { created_at: '2021-01-01Z' });
  await model(first, { created_at: '2022-01-01Z' });
  await model(second, { created_at: '2020-01-01Z' });
  const favorite = await model(second, { is_favorite: true, created_at: '2023-01-01Z' });
  const id = await session({ harness_id: await harness() });
  const config = await load(id);
  expect(config.named).toEqual([]);
  expect(config.spare.slice(0, 2).map(({ modelId }) => modelId)).toEqual([oldest, favorite]);
  expect((await load(id, oldest)).spare).toEqual([]);
});

const broken: [string, () => Promise<Record<string, unknown>>][] = [
  ['an archived harness', async () => ({ harness_id: await harness({ status: 'archived' }) })],
  ['a deleted harness', async () => ({ harness_id: await harness({ status: 'deleted' }) })],
  ['a harness that is not there', async () => ({ harness_id: ids.next() })],
  ['a deleted ancestor', async () => ({ harness_id: await harness({ parent_harness_id: await harness({ status: 'deleted' }) }) })],
  ['an ancestor that is not there', async () => ({ harness_id: await harness({ parent_harness_id: ids.next() }) })],
  ['an archived agent', async () => ({ harness_id: await harness(), agent_id: await agent({ status: 'archived' }) })],
  ['an agent that is not there', async () => ({ harness_id: await harness(), agent_id: ids.next() })],
  [
    'harnesses in a circle',
    async () => {
      const [a, b] = [ids.next(), ids.next()];
      await harness({ id: a, parent_harness_id: b });
      return { harness_id: await harness({ id: b, parent_harness_id: a }) };
    },
  ],
];
test.each(broken)('%s is a dependency that is unavailable', async (_name, columns) => {
  expect(await load(await session(await columns()))).toMatchObject({ problem: 'dependency_unavailable' });
});

test('an archived ancestor still contributes', async () => {
  const parent = await harness({ status: 'archived', system_prompt: 'parent' });
  const config = await load(await session({ harness_id: await harness({ parent_harness_id: parent }) }));
  expect(config.problem).toBeUndefined();
  expect(config.layers[0]).toMatchObject({ system_prompt: 'parent' });
});

test('a session of another organization, a deleted one and an unknown one are not there', async () => {
  const id = await session({ harness_id: await harness() });
  const deleted = await session({ harness_id: await harness(), deleted_at: times.created_at });
  expect(await loadTurnConfig(db, { orgId: ids.next(), sessionId: id })).toBeNull();
  expect(await loadTurnConfig(db, { orgId: DEFAULT_ORG_ID, sessionId: deleted })).toBeNull();
  expect(await loadTurnConfig(db, { orgId: DEFAULT_ORG_ID, sessionId: ids.next() })).toBeNull();
});

test('rows of another organization are never part of it, even when they are named', async () => {
  const other = await organization({ name: 'Other', default_provider_per_service: {}, ...times });
  const foreignHarness = await harness({ org_id: other, system_prompt: 'foreign' });
  const foreignModel = await model(await provider({ org_id: other }), { org_id: other });
  const foreignAgent = await agent({ org_id: other });
  const own = await harness({ parent_harness_id: foreignHarness });
  const config = await load(await session({ harness_id: own, agent_id: foreignAgent, model_id: foreignModel }), foreignModel);
  expect(config.named).toEqual([]);
  expect(config.problem).toBe('dependency_unavailable');
  expect(JSON.stringify(config.layers)).not.toContain('foreign');
  expect(config.agent).toBeUndefined();
});
