import { ANONYMOUS_USER_ID, createIdSource, DEFAULT_ORG_ID } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { insertTaskWebhook } from './core/task-webhooks.ts';
import { sql } from './core/testing/sql.ts';
import { openSession } from './core/testing/turn-driver.ts';
import { openWorld } from './core/testing/world.ts';
import type { World } from './core/testing/world.ts';
import { forkSession } from './fork/index.ts';
import type { ForkVerdict } from './fork/index.ts';
import { insertImage } from './images/images.ts';
import { insertKnowledgeBase } from './knowledge/bases.ts';
import { writeKnowledgeEntry } from './knowledge/entries.ts';
import { insertMemory } from './memory/memories.ts';
import { insertAgent } from './resources/agents.ts';
import { insertBudget } from './resources/budgets.ts';
import { createSchedule } from './resources/session-schedules.ts';
import { MAX_SESSION_ENTRIES, setPair, setSecret } from './resources/session-storage.ts';
import { insertSession } from './resources/sessions.ts';
import { setConnection } from './resources/user-connections.ts';

/** A limit is one: of twelve that insert at once, three get in. */

const LIMIT = 3;
const ids = createIdSource();
const orgId = DEFAULT_ORG_ID;
let world: World;
let sessions: Uuid[];
/** Of an organization of its own. */
const base = { orgId: ids.next(), kbId: ids.next() };

beforeAll(async () => {
  world = await openWorld(await testDatabase(), { poolSize: 12 });
  await sql(world.db, `insert into organizations (id, name) values ($1, 'other')`, [base.orgId]);
  sessions = await Promise.all(Array.from({ length: 4 * LIMIT }, () => openSession(world.db, world.player)));
  for (const of of ['forked', 'mixed'] as const) {
    await sql(world.db, `insert into organizations (id, name) values ($1, $2)`, [sources[of].orgId, of]);
    await made(of, 0, sources[of].id);
  }
  await insertKnowledgeBase(world.db, { id: base.kbId, orgId: base.orgId, name: 'base', description: null, language: 'english' });
});
afterAll(() => world.close());

const BYTES = Buffer.from('x');
const IMAGE = {
  sessionId: null,
  filename: 'a.png',
  contentType: 'image/png',
  bytes: BYTES,
  width: 1,
  height: 1,
  frames: 1,
  thumbnail: BYTES,
  modelCopy: null,
};
const BUDGET = { subject_type: 'organization', subject_id: orgId, currency: 'tokens', limit_units: 1, soft_units: null } as const;
const ENTRY = { title: 't', body: 'b', kind: 'note', tags: [], resource: null, source_path: null, source_type: null } as const;
const AGENT = { system_prompt: '', capabilities: [], initial_files: [], tools: [], tags: [] };

const inserts: [what: string, insert: (n: number) => Promise<unknown>][] = [
  ['memories', (n) => insertMemory(world.db, { id: ids.next(), orgId, workspaceId: ids.next(), name: `m${n}`, description: null }, LIMIT)],
  [
    'knowledge bases',
    (n) => insertKnowledgeBase(world.db, { id: ids.next(), orgId, name: `k${n}`, description: null, language: 'english' }, LIMIT),
  ],
  [
    'entries of a knowledge base',
    () => world.db.transaction((tx) => writeKnowledgeEntry(tx, { ...base, id: ids.next(), isNew: true }, { ...ENTRY, tags: [] }, LIMIT)),
  ],
  ['images', () => insertImage(world.db, { ...IMAGE, id: ids.next(), orgId }, LIMIT)],
  [
    'budgets',
    async () =>
      (await insertBudget(
        world.db,
        { ...BUDGET, id: ids.next(), org_id: orgId, period: null, period_seconds: null, metadata: null },
        LIMIT,
      )) || 'full',
  ],
  [
    'task webhooks',
    async () =>
      (await insertTaskWebhook(world.db, {
        id: ids.next(),
        orgId,
        url: 'https://example.com',
        secret: null,
        enabled: true,
        limit: LIMIT,
      })) ?? 'full',
  ],
  ['agents', (n) => insertAgent(world.db, { id: ids.next(), orgId, fields: { ...AGENT, name: `a${n}` } as never, limit: LIMIT })],
  ['schedules of an organization', (n) => schedule(sessions[n] as Uuid)],
  ['connections of a user', (n) => connection(n)],
  ['pairs of a session', (n) => pair(n)],
  ['secrets of a session', (n) => secret(n)],
  ['sessions, by forks', () => fork('forked')],
  ['sessions, by forks and otherwise', (n) => (n % 2 === 0 ? fork('mixed') : made('mixed'))],
  ['sessions', () => world.db.transaction((tx) => insertSession(tx, session()))],
];

async function schedule(sessionId: Uuid): Promise<'ok' | 'full'> {
  const message = { message: 'm', cron: null, timezone: 'UTC', nextAt: new Date(Date.now() + 3_600_000) };
  const options = { lease: null, limits: { perSession: 5, perOrg: LIMIT } };
  const made = await createSchedule(world.db, { ...message, id: ids.next(), orgId, sessionId }, options);
  return made === 'org_full' ? 'full' : 'ok';
}

/** Organizations with one session, beside which there may be three more. */
const sources = { forked: { orgId: ids.next(), id: ids.next() }, mixed: { orgId: ids.next(), id: ids.next() } };
type Source = keyof typeof sources;

function fork(of: Source): Promise<ForkVerdict> {
  const { orgId: owner, id: sourceId } = sources[of];
  const rest = { throughMessage: null, limit: LIMIT + 1, reseal: (sealed: unknown) => Promise.resolve(sealed) };
  return forkSession(world.db, {
    orgId: owner,
    sourceId,
    id: ids.next(),
    fields: { ...session().fields, agent_id: null, model_id: null },
    ...rest,
  });
}

function made(of: Source, limit = LIMIT + 1, id = ids.next()): Promise<unknown> {
  return world.db.transaction((tx) => insertSession(tx, { ...session(), id, orgId: sources[of].orgId, limit }));
}

async function connection(n: number): Promise<unknown> {
  return (await setConnection(world.db, { orgId, userId: ANONYMOUS_USER_ID }, { provider: `p${n}`, sealed: {}, limit: LIMIT })) ?? 'full';
}

/** All but three of the places are taken. */
async function filled(
  table: 'session_pairs (session_id, org_id, key, value)' | 'session_secrets (session_id, org_id, name, value_encrypted)',
): Promise<Uuid> {
  const at = sessions[0] as Uuid;
  const value = table.startsWith('session_pairs') ? `'x'` : `'{}'::jsonb`;
  await sql(
    world.db,
    `insert into ${table} select $1, $2, 'k' || i, ${value} from generate_series(1, ${MAX_SESSION_ENTRIES - LIMIT}) i on conflict do nothing`,
    [at, orgId],
  );
  return at;
}

async function pair(n: number): Promise<unknown> {
  const sessionId = await filled('session_pairs (session_id, org_id, key, value)');
  return setPair(world.db, { orgId, sessionId }, { key: `new${n}`, value: 'x' }, null);
}

async function secret(n: number): Promise<unknown> {
  const sessionId = await filled('session_secrets (session_id, org_id, name, value_encrypted)');
  return setSecret(world.db, { orgId, sessionId }, { name: `new${n}`, sealed: {} }, null);
}

function session(): Parameters<typeof insertSession>[1] {
  const fields = {
    harness_id: ids.next(),
    workspace_id: ids.next(),
    owner_user_id: ids.next(),
    capabilities: [],
    tools: [],
    initial_files: [],
    tags: [],
    source: 'api',
  };
  return { id: ids.next(), orgId: base.orgId, fields: fields as never, limit: LIMIT, noise: 1 };
}

test.each(inserts)('%s', async (_what, insert) => {
  const made = await Promise.all(Array.from({ length: 4 * LIMIT }, (_, n) => insert(n)));
  expect(made.filter((each) => each === 'full' || each === 'limit')).toHaveLength(3 * LIMIT);
});
