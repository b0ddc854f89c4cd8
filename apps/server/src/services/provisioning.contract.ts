import { loadCapabilities } from '@everruns/capabilities/load';
import { ANONYMOUS_USER_ID, ROLE_PERMISSIONS, createIdSource, DEFAULT_ORG_ID } from '@everruns/contract';
import {
  deleteProvider,
  findHarnessNamed,
  findOrganization,
  insertHarness,
  listHarnesses,
  listModels,
  listProviders,
  openDatabase,
  updateHarness,
  updateOrganization,
} from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCapabilityRules } from './capability-rules.ts';
import { provisionAll } from './provisioning.ts';
import { AGENT_EXAMPLES, HARNESS_EXAMPLES } from './seeds/agents.ts';

const ids = createIdSource();
const filter = { orgId: DEFAULT_ORG_ID, tokens: [], includeArchived: true };
const allModels = { orgId: DEFAULT_ORG_ID, providerId: null, source: null, includeStale: true, favoritesOnly: false };

let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await testDatabase();
  db = openDatabase(database.settings);
});
afterEach(async () => {
  await db.close();
  await database.drop();
});

test('a fresh organization has generic on base as its default, and the seeded providers under their fixed ids', async () => {
  await provisionAll(db, 'prod');
  const [base, generic] = [await findHarnessNamed(db, DEFAULT_ORG_ID, 'base'), await findHarnessNamed(db, DEFAULT_ORG_ID, 'generic')];
  expect(generic).toMatchObject({ is_built_in: true, parent_harness_id: base?.id });
  expect(base).toMatchObject({ is_built_in: true, parent_harness_id: null, capabilities: [] });
  expect(await findOrganization(db, DEFAULT_ORG_ID)).toMatchObject({
    default_harness_id: generic?.id,
    base_harness_id: base?.id,
    default_model_id: null,
  });
  const providers = await listProviders(db, DEFAULT_ORG_ID);
  expect(providers.map(({ id, provider_type }) => [id, provider_type])).toEqual([
    ['01933b5a-0000-7000-8000-000000000001', 'openai'],
    ['01933b5a-0000-7000-8000-000000000002', 'anthropic'],
    ['01933b5a-0000-7000-8000-000000000003', 'google'],
  ]);
  expect((await listModels(db, allModels)).length).toBeGreaterThan(5);
});

test('generic has exactly these capabilities, and each takes its configuration', async () => {
  await provisionAll(db, 'prod');
  const generic = await findHarnessNamed(db, DEFAULT_ORG_ID, 'generic');
  expect(generic?.capabilities.map(({ ref, config }) => (config === undefined ? ref : [ref, config]))).toEqual([
    'human_intent',
    'session_file_system',
    'bashkit_shell',
    ['web_fetch', { enable_file_download: true }],
    'session_storage',
    'session',
    'session_schedule',
    'btw',
    'agent_instructions',
    'skills',
    'infinity_context',
    'auto_tool_search',
    'budgeting',
    'self_budget',
    'loop_detection',
    ['parallel_tool_calls', { mode: 'prefer' }],
    ['error_disclosure', { mode: 'detailed' }],
    'message_metadata',
    ['compaction', { strategy: 'auto', proactive: true, budget_percent: 0.85 }],
    'tool_output_persistence',
    'tool_output_distillation',
    'citation_retrieval',
    'citation_verification',
    'soft_approval',
    'ask_user',
  ]);
  const rules = createCapabilityRules({ registry: await loadCapabilities([]), grade: 'prod' });
  const scope = { orgId: DEFAULT_ORG_ID, userId: ANONYMOUS_USER_ID, permissions: ROLE_PERMISSIONS.owner };
  expect(await rules.stored(scope, generic?.capabilities)).toEqual(generic?.capabilities);
  await rules.effective(scope, [{ tier: 'harness', id: '', capabilities: generic?.capabilities ?? [] }]);
});

test('every example takes the configuration that it gives its capabilities', async () => {
  const rules = createCapabilityRules({ registry: await loadCapabilities([]), grade: 'dev' });
  const scope = { orgId: DEFAULT_ORG_ID, userId: ANONYMOUS_USER_ID, permissions: ROLE_PERMISSIONS.owner };
  for (const { capabilities } of [...AGENT_EXAMPLES, ...HARNESS_EXAMPLES]) {
    expect(await rules.stored(scope, capabilities)).toEqual(capabilities);
  }
});

test('the simulated provider is seeded in grade dev only', async () => {
  await provisionAll(db, 'prod');
  expect((await listProviders(db, DEFAULT_ORG_ID)).map((row) => row.provider_type)).not.toContain('llmsim');
  await provisionAll(db, 'dev');
  expect((await listProviders(db, DEFAULT_ORG_ID)).map((row) => row.provider_type)).toContain('llmsim');
});

test('an instance that starts while another one is at it waits for that one', async () => {
  let second: Promise<void> = Promise.resolve();
  await db.transaction(async (tx) => {
    await provisionAll({ ...db, transaction: (work) => work(tx) }, 'dev');
    second = provisionAll(db, 'dev');
    const blocked = `select pid from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`;
    await expect.poll(() => db.run({ name: '', text: blocked })).toHaveLength(1);
  });
  await second;
  expect(await listHarnesses(db, filter)).not.toEqual([]);
});

test('again, and by several instances at once, changes nothing', async () => {
  await Promise.all([provisionAll(db, 'dev'), provisionAll(db, 'dev'), provisionAll(db, 'dev')]);
  const before = [await listHarnesses(db, filter), await listProviders(db, DEFAULT_ORG_ID), await listModels(db, allModels)];
  await provisionAll(db, 'dev');
  expect([await listHarnesses(db, filter), await listProviders(db, DEFAULT_ORG_ID), await listModels(db, allModels)]).toEqual(before);
});

test('a built-in harness that was changed in the database is brought back to the code', async () => {
  await provisionAll(db, 'prod');
  const generic = await findHarnessNamed(db, DEFAULT_ORG_ID, 'generic');
  await updateHarness(db, DEFAULT_ORG_ID, generic?.id ?? '', { capabilities: [], description: 'changed', parent_harness_id: null });
  await provisionAll(db, 'prod');
  const again = await findHarnessNamed(db, DEFAULT_ORG_ID, 'generic');
  expect(again).toMatchObject({
    capabilities: generic?.capabilities,
    description: generic?.description,
    parent_harness_id: generic?.parent_harness_id,
  });
});

test('what people removed or chose stays as they left it', async () => {
  await provisionAll(db, 'dev');
  const [openai] = await listProviders(db, DEFAULT_ORG_ID);
  await deleteProvider(db, DEFAULT_ORG_ID, openai?.id ?? '');
  const base = await findHarnessNamed(db, DEFAULT_ORG_ID, 'base');
  await updateOrganization(db, DEFAULT_ORG_ID, { default_harness_id: base?.id ?? null });
  await provisionAll(db, 'dev');
  expect((await listProviders(db, DEFAULT_ORG_ID)).map((row) => row.name)).not.toContain('OpenAI');
  expect((await listModels(db, allModels)).map((row) => row.provider_name)).not.toContain('OpenAI');
  expect((await findOrganization(db, DEFAULT_ORG_ID))?.default_harness_id).toBe(base?.id);
});

test('each organization gets rows of its own, under ids that are the same at every start', async () => {
  const other = ids.next();
  await db.run({ name: 'other_org', text: `insert into organizations (id, name) values ($1, 'Other')` }, [other]);
  await provisionAll(db, 'prod');
  const [mine, theirs] = [await listHarnesses(db, filter), await listHarnesses(db, { ...filter, orgId: other })];
  expect(theirs.map(({ name }) => name).sort()).toEqual(['base', 'generic']);
  expect(mine.some(({ id }) => theirs.some((row) => row.id === id))).toBe(false);
  const before = await listProviders(db, other);
  await provisionAll(db, 'prod');
  expect(await listProviders(db, other)).toEqual(before);
});

test('built-in harnesses do not count towards the limit', async () => {
  await provisionAll(db, 'prod');
  const fields = {
    display_name: null,
    description: null,
    system_prompt: null,
    parent_harness_id: null,
    default_model_id: null,
    capabilities: [],
  };
  const rest = { initial_files: [], tags: [], mcp_servers: null, network_access: null, parallel_tool_calls: null, embedder_metadata: null };
  const add = (name: string) =>
    insertHarness(db, { id: ids.next(), orgId: DEFAULT_ORG_ID, fields: { name, ...fields, ...rest }, limit: 1 });
  expect(await add('one')).toMatchObject({ name: 'one' });
  expect(await add('two')).toBe('limit');
});
