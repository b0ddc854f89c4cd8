import { readFile } from 'node:fs/promises';
import { ANONYMOUS_USER_ID, createIdSource, DEFAULT_ORG_ID, fromPublicId, parseEventId, sessionTag, toPublicId } from '@everruns/contract';
import type { DurableEvent } from '@everruns/contract';
import { createVault, findSession, forkSession, secretPlace } from '@everruns/storage';
import type { Database, ForkVerdict, Queryable } from '@everruns/storage';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createSessionStorage } from '../services/session-storage.ts';
import { answer, call, HandWorker } from '../turns/testing/fixture.ts';
import { rowsOf, testApp, TEST_KEYRING, textOf } from './testing/test-app.ts';
import type { Answer, TestApp, Wire } from './testing/test-app.ts';

let app: TestApp;
let worker: HandWorker;
beforeAll(async () => {
  app = await testApp();
});
// One that says nothing for a while counts as broken.
beforeEach(() => {
  worker = new HandWorker(app.fixture.engine);
});
afterEach(() => worker.vanish());
afterAll(() => app.close());

const ids = (session: Wire): { id: string; uuid: string } => {
  const id = textOf(session['id']);
  return { id, uuid: fromPublicId('session', id) as string };
};
const said = (text: string) => ({ message: { content: [{ type: 'text', text }] } });
const made = async (body: unknown = {}): Promise<Wire> => (await app.call('POST', '/v1/sessions', body)).json;
const fork = (session: string, body: unknown = {}): Promise<Answer> => app.call('POST', `/v1/sessions/${session}/fork`, body);
const eventsOf = (session: string): Promise<DurableEvent[]> => app.fixture.log(fromPublicId('session', session) as string);
const messagesOf = async (session: string): Promise<Wire[]> =>
  rowsOf((await app.call('GET', `/v1/sessions/${session}/messages`)).json['data']);

/** One turn: a tool call, then an answer. */
async function turnWithTool(session: string, name: string): Promise<void> {
  await app.call('POST', `/v1/sessions/${session}/messages`, said(`Do ${name}.`));
  const first = await worker.reason();
  await worker.complete(first.task, answer(first.input, { text: `I do ${name}.`, calls: [call(name, { effect: 'unsafe' })] }));
  const { task } = await worker.tool(name);
  await worker.complete(task, { kind: 'tool', status: 'success', result: { done: name }, duration_ms: 1, events: [] });
  const last = await worker.reason();
  await worker.complete(
    last.task,
    answer(last.input, { text: `${name} is done.`, replay: { provider_type: 'llmsim', parts: [{ opaque: name }] } }),
  );
}

describe('a fork', () => {
  test('has the conversation with the same sequences, times and turns, and ids of its own', async () => {
    const { id } = ids(await made({ title: 'Plan' }));
    await turnWithTool(id, 'a1');
    const forked = await fork(id);
    expect([forked.status, forked.json]).toMatchObject([
      201,
      {
        title: 'Plan (fork)',
        status: 'started',
        usage: { input_tokens: 0, output_tokens: 0 },
        forked_from_session_id: id,
        preview: 'Do a1.',
        output_preview: 'a1 is done.',
      },
    ]);
    const copy = ids(forked.json);
    const [source, log] = [await eventsOf(id), await eventsOf(copy.id)];
    expect(forked.json['forked_from_sequence']).toBe(source.length);
    const comparable = ({ id: _id, data, ...rest }: DurableEvent, index: number): unknown => ({
      ...rest,
      data: index === 0 ? {} : data,
    });
    expect(log.map(comparable)).toEqual(source.map(comparable));
    expect(log[0]?.data).toMatchObject({ forked_from_session_id: id, harness_id: forked.json['harness_id'] });
    for (const [index, event] of log.entries()) {
      expect(parseEventId(event.id)).toMatchObject({ kind: 'durable', sequence: index + 1, sessionTag: sessionTag(copy.uuid) });
    }
    expect(new Set([...source, ...log].map((event) => event.id)).size).toBe(source.length * 2);
  });

  test('goes on where the source was, under its own configuration, with what its tools had found and without running them again', async () => {
    const agent = (await app.call('POST', '/v1/agents', { name: 'other', system_prompt: 'Other.' })).json;
    const { id } = ids(await made({ system_prompt: 'One.' }));
    await turnWithTool(id, 'b1');
    const forked = await fork(id, { agent_id: agent['id'], system_prompt: 'Two.', locale: 'de-AT', tags: ['try'], title: 'Second try' });
    expect(forked.json).toMatchObject({
      agent_id: agent['id'],
      system_prompt: 'Two.',
      locale: 'de-AT',
      tags: ['try'],
      title: 'Second try',
    });
    const copy = ids(forked.json);
    await app.call('POST', `/v1/sessions/${copy.id}/messages`, said('And now?'));
    const { task, input } = await worker.reason();
    expect(input.ids.session_id).toBe(copy.id);
    expect(input.layers.map(({ system_prompt }) => system_prompt)).toEqual(expect.arrayContaining(['Other.', 'Two.']));
    const shown = input.messages.map(({ role, content, replay }) => [role, JSON.stringify(content[0]), replay?.parts]);
    expect(shown).toEqual([
      ['user', expect.stringContaining('Do b1.'), undefined],
      ['agent', expect.stringContaining('I do b1.'), undefined],
      ['tool_result', expect.stringContaining('"done":"b1"'), undefined],
      ['agent', expect.stringContaining('b1 is done.'), [{ opaque: 'b1' }]],
      ['user', expect.stringContaining('And now?'), undefined],
    ]);
    await worker.complete(task, answer(input));
    const types = (await eventsOf(copy.id)).map(({ type }) => type);
    expect(types.filter((type) => type === 'tool.started').length).toBe(1);
    expect(types.slice(-2)).toEqual(['turn.completed', 'session.idled']);
    expect((await eventsOf(id)).some((event) => JSON.stringify(event).includes('And now?'))).toBe(false);
  });

  test('is cut at the end of the turn that holds the message, whichever message of the turn is named', async () => {
    const { id } = ids(await made());
    await turnWithTool(id, 'c1');
    await turnWithTool(id, 'c2');
    const messages = await messagesOf(id);
    expect(messages.map(({ role }) => role as unknown)).toEqual([
      'user',
      'agent',
      'tool_result',
      'agent',
      'user',
      'agent',
      'tool_result',
      'agent',
    ]);
    const firstTurn = (await eventsOf(id)).find(({ type }) => type === 'session.idled')?.sequence;
    for (const message of messages.slice(0, 4)) {
      const forked = await fork(id, { up_to_message_id: message['id'] });
      expect(forked.json['forked_from_sequence']).toBe(firstTurn);
      const copy = textOf(forked.json['id']);
      expect((await messagesOf(copy)).length).toBe(4);
      expect((await eventsOf(copy)).at(-1)?.type).toBe('session.idled');
    }
    const whole = await fork(id, { up_to_message_id: messages[6]?.['id'] });
    expect((await messagesOf(textOf(whole.json['id']))).length).toBe(8);
  });

  test('of a session that has said nothing is like the session', async () => {
    const { id } = ids(await made({ goal: 'Nothing' }));
    const forked = await fork(id);
    expect(forked.json).toMatchObject({ title: 'Untitled (fork)', goal: 'Nothing', forked_from_sequence: 1 });
    expect((await eventsOf(textOf(forked.json['id']))).map(({ type }) => type)).toEqual(['session.started']);
  });

  test('adds capabilities, tools and MCP servers to those of the source, and replaces what has the same name', async () => {
    const tool = (name: string, description: string) => ({ type: 'client_side', name, description, parameters: { type: 'object' } });
    const { id } = ids(
      await made({
        capabilities: [{ ref: 'current_time' }, { ref: 'output_truncation', config: {} }],
        tools: [tool('one', 'old'), tool('two', 'old')],
        mcpServers: { a: { url: 'https://a.example.com/mcp' } },
      }),
    );
    const forked = await fork(id, {
      capabilities: [{ ref: 'stateless_todo_list' }, { ref: 'current_time' }],
      tools: [tool('two', 'new')],
      mcp_servers: { b: { url: 'https://b.example.com/mcp' } },
    });
    expect(forked.status, forked.text).toBe(201);
    expect(rowsOf(forked.json['capabilities']).map(({ ref }) => ref as unknown)).toEqual([
      'current_time',
      'output_truncation',
      'stateless_todo_list',
    ]);
    expect(rowsOf(forked.json['tools']).map(({ name, description }) => [name, description] as unknown)).toEqual([
      ['one', 'old'],
      ['two', 'new'],
    ]);
    expect(Object.keys(forked.json['mcpServers'] ?? {})).toEqual(['a', 'b']);
  });
});

describe('what a session keeps', () => {
  test('comes along as it is, and belongs to each alone from then on', async () => {
    const vault = createVault({ db: app.db, keyring: TEST_KEYRING });
    const storage = createSessionStorage({ db: app.db, vault });
    const { id, uuid } = ids(await made());
    const place = { orgId: DEFAULT_ORG_ID, sessionId: uuid };
    await app.call('POST', `/v1/sessions/${id}/fs/docs/a.md`, { content: 'first' });
    await app.call('POST', `/v1/sessions/${id}/fs/b.bin`, { content: 'AAEC', encoding: 'base64', is_readonly: true });
    await storage.setPair(place, { key: 'k', value: 'v' }, null);
    const secrets = Object.fromEntries(Array.from({ length: 45 }, (_, n) => [`secret-${n}`, `value of ${n}`]));
    await storage.setSecrets(place, secrets);
    const copy = ids((await fork(id)).json);
    const there = { orgId: DEFAULT_ORG_ID, sessionId: copy.uuid };
    const files = async (session: string): Promise<unknown[]> =>
      rowsOf((await app.call('GET', `/v1/sessions/${session}/fs?recursive=true`)).json['data']).map(({ path, size_bytes, is_readonly }) => [
        path,
        size_bytes,
        is_readonly,
      ]);
    expect(await files(copy.id)).toEqual(await files(id));
    expect((await app.call('GET', `/v1/sessions/${copy.id}/fs/docs/a.md`)).json).toMatchObject({ content: 'first', session_id: copy.uuid });
    expect(await storage.getPair(there, 'k')).toBe('v');
    for (const [name, value] of Object.entries(secrets)) expect(await storage.getSecret(there, name)).toBe(value);
    const [row] = await app.db.run<{ value_encrypted: unknown }>(
      { name: 'test_sealed', text: `select value_encrypted from session_secrets where session_id = $1 and name = 'secret-0'` },
      [copy.uuid],
    );
    await expect(vault.open(secretPlace(place, 'secret-0'), row?.value_encrypted)).rejects.toThrow('does not belong to this place');

    await app.call('PUT', `/v1/sessions/${copy.id}/fs/docs/a.md`, { content: 'second' });
    await storage.setPair(there, { key: 'k', value: 'w' }, null);
    expect((await app.call('GET', `/v1/sessions/${id}/fs/docs/a.md`)).json['content']).toBe('first');
    expect(await storage.getPair(place, 'k')).toBe('v');
    const totals = await app.db.run(
      {
        name: 'test_totals',
        text: 'select w.entry_count, w.total_bytes from workspaces w join sessions s on s.workspace_id = w.id where s.id = any($1) order by w.total_bytes',
      },
      [[uuid, copy.uuid]],
    );
    expect(totals).toEqual([
      { entry_count: 3, total_bytes: 8 },
      { entry_count: 3, total_bytes: 9 },
    ]);
  });

  test('includes databases and skills as they are, and of the context what was there at the cut', async () => {
    const { id, uuid } = ids(await made());
    await turnWithTool(id, 'e1');
    const cut = (await eventsOf(id)).length;
    await turnWithTool(id, 'e2');
    const statements = [
      `with d as (insert into session_databases (id, session_id, org_id, name, page_bytes, page_count, tables)
         select gen_random_uuid(), $1, org_id, 'notes', 512, 2, '["t"]' from sessions where id = $1 returning id)
       insert into session_database_pages (database_id, n, content) select d.id, n, decode(repeat('ab', 512), 'hex') from d, generate_series(1, 2) n`,
      `insert into session_skills (session_id, name, org_id, content_hash, activated_by) select $1, 'review', org_id, 'x', 'model' from sessions where id = $1`,
      `insert into context_checkpoints (session_id, seq, through_seq, seen_seq, hidden, messages) select $1, n, n - 1, 2, 3, '[]' from unnest($2::int[]) n`,
    ];
    for (const [index, text] of statements.entries()) {
      await app.db.run({ name: `test_keep_${index}`, text }, index === 2 ? [uuid, [cut - 1, cut + 5]] : [uuid]);
    }
    const [first] = await messagesOf(id);
    const copy = ids((await fork(id, { up_to_message_id: first?.['id'] })).json);
    const kept = async (session: string): Promise<unknown[]> =>
      app.db.run(
        {
          name: 'test_kept',
          text: `select d.name, d.page_bytes, d.page_count, d.tables, (select count(*) from session_database_pages p where p.database_id = d.id) as pages,
              (select jsonb_agg(s.name || s.activated_by) from session_skills s where s.session_id = $1) as skills,
              (select array_agg(c.seq order by c.seq) from context_checkpoints c where c.session_id = $1) as checkpoints
            from session_databases d where d.session_id = $1`,
        },
        [session],
      );
    const both = { name: 'notes', page_bytes: 512, page_count: 2, tables: ['t'], pages: 2, skills: ['reviewmodel'] };
    expect(await kept(uuid)).toEqual([{ ...both, checkpoints: [cut - 1, cut + 5] }]);
    expect(await kept(copy.uuid)).toEqual([{ ...both, checkpoints: [cut - 1] }]);
  });

  test('is copied where the log is long, without passing through this process', async () => {
    const { id, uuid } = ids(await made());
    await app.db.run(
      {
        name: 'test_long_log',
        text: `with e as (
            insert into events (session_id, seq, id, type, ts, context, data)
            select $1, n, event_id(now(), $1, n, 0), 'tool.progress', now(), '{}', '{"message":"x"}' from generate_series(2, 50000) n)
          update session_heads set last_seq = 50000 where session_id = $1`,
      },
      [uuid],
    );
    const startedMs = performance.now();
    const forked = await fork(id);
    expect(forked.json['forked_from_sequence']).toBe(50_000);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    const [count] = await app.db.run(
      { name: 'test_count_log', text: 'select count(*) as n, max(seq) as last from events where session_id = $1' },
      [ids(forked.json).uuid],
    );
    expect(count).toEqual({ n: 50_000, last: 50_000 });
  });
});

describe('the transaction of a fork', () => {
  /** Forks with something done right before one of its statements. */
  async function interrupted(
    session: string,
    statement: string,
    interrupt: () => Promise<void>,
  ): Promise<{ id: string; verdict: ForkVerdict }> {
    const id = createIdSource().next();
    const sourceId = fromPublicId('session', session) as string;
    const source = await findSession(app.db, { orgId: DEFAULT_ORG_ID, userId: ANONYMOUS_USER_ID, id: sourceId });
    if (source === null) throw new Error('there is no source');
    const before = (tx: Queryable): Queryable => ({
      run: async (asked, values) => {
        if (asked.name === statement) await interrupt();
        return tx.run(asked, values);
      },
    });
    const db: Database = { ...app.db, transaction: (work) => app.db.transaction((tx) => work(before(tx))) };
    const fields = { ...source, workspace_id: createIdSource().next() };
    const rest = { throughMessage: null, limit: 1_000, reseal: (sealed: unknown) => Promise.resolve(sealed) };
    return { id, verdict: await forkSession(db, { orgId: DEFAULT_ORG_ID, sourceId, id, fields, ...rest }) };
  }

  test('sees one moment of the source, which goes on meanwhile', async () => {
    const { id, uuid } = ids(await made({ title: 'Before' }));
    const storage = createSessionStorage({ db: app.db, vault: createVault({ db: app.db, keyring: TEST_KEYRING }) });
    const place = { orgId: DEFAULT_ORG_ID, sessionId: uuid };
    await storage.setPair(place, { key: 'k', value: 'before' }, null);
    await app.call('POST', `/v1/sessions/${id}/fs/a.txt`, { content: 'before' });
    const fork = await interrupted(id, 'fork_insert', async () => {
      await app.call('PATCH', `/v1/sessions/${id}`, { title: 'Meanwhile' });
      await storage.setPair(place, { key: 'k', value: 'meanwhile' }, null);
      await app.call('PUT', `/v1/sessions/${id}/fs/a.txt`, { content: 'meanwhile' });
      await app.call('POST', `/v1/sessions/${id}/fs/b.txt`, { content: 'new' });
      expect((await app.call('POST', `/v1/sessions/${id}/messages`, said('Go on.'))).status).toBe(201);
    });
    expect(fork.verdict).toBe('ok');
    const { task, input } = await worker.reason();
    await worker.complete(task, answer(input));
    const copy = toPublicId('session', fork.id);
    expect((await eventsOf(copy)).map(({ type }) => type)).toEqual(['session.started']);
    expect(await storage.getPair({ orgId: DEFAULT_ORG_ID, sessionId: fork.id }, 'k')).toBe('before');
    expect((await app.call('GET', `/v1/sessions/${copy}/fs/a.txt`)).json['content']).toBe('before');
    expect((await app.call('GET', `/v1/sessions/${copy}/fs/b.txt`)).status).toBe(404);
    expect((await app.call('GET', `/v1/sessions/${copy}`)).json['title']).toBe('Before');
  });

  test.each(['fork_events', 'fork_checkpoints', 'fork_files', 'fork_pairs', 'fork_skills', 'fork_secrets_write'])(
    'leaves nothing behind when it fails at %s',
    async (statement) => {
      const { id, uuid } = ids(await made());
      await app.call('POST', `/v1/sessions/${id}/fs/a.txt`, { content: 'x' });
      const storage = createSessionStorage({ db: app.db, vault: createVault({ db: app.db, keyring: TEST_KEYRING }) });
      await storage.setSecrets({ orgId: DEFAULT_ORG_ID, sessionId: uuid }, { token: 'x' });
      const before = await app.rowCounts();
      await expect(interrupted(id, statement, () => Promise.reject(new Error('the connection is gone')))).rejects.toThrow('gone');
      expect(await app.rowCounts()).toEqual(before);
    },
  );
});

describe('of everything that belongs to a session', () => {
  /** Comes along with a fork; everything else stays with the source: what runs, what is planned, what was allowed, what was spent. */
  const copied = [
    'context_checkpoints',
    'events',
    'session_databases',
    'session_heads',
    'session_pairs',
    'session_participants',
    'session_secrets',
    'session_skills',
  ];
  const left = [
    'approval_records',
    'budget_grants',
    'budget_holds',
    'budget_ledger',
    'dead_letters',
    'images',
    'leases',
    'mcp_runs',
    'message_keys',
    'open_text_0',
    'open_text_1',
    'ready',
  ];
  const running = [
    'session_containers',
    'session_database_writes',
    'session_pins',
    'session_schedules',
    'session_tasks',
    'timers',
    'workflows',
    'workspaces',
  ];

  test('somebody has decided whether it comes along', async () => {
    const tables = await app.db.run<{ name: string }>({
      name: 'test_session_tables',
      text: `select table_name as name from information_schema.columns where table_schema = 'public' and column_name = 'session_id'`,
    });
    expect(tables.map(({ name }) => name).toSorted()).toEqual([...copied, ...left, ...running].toSorted());
  });

  test.each<[string, readonly string[]]>([
    ['sessions', ['id', 'parent_session_id', 'root_session_id', 'deleted_at', 'archived_at', 'approvals']],
    ['events', []],
    ['files', []],
    ['session_pairs', []],
    ['session_secrets', []],
    ['session_skills', []],
    ['context_checkpoints', []],
  ])('every column of %s is written, but those that are left out', async (table, leftOut) => {
    const columns = await app.db.run<{ name: string }>(
      {
        name: 'test_columns',
        text: `select column_name as name from information_schema.columns where table_schema = 'public' and table_name = $1`,
      },
      [table],
    );
    const source = (
      await Promise.all(
        ['fork', 'copy', 'secrets'].map((file) =>
          readFile(new URL(`../../../../packages/storage/src/fork/${file}.ts`, import.meta.url), 'utf8'),
        ),
      )
    ).join('');
    const list = new RegExp(`insert into ${table} \\(([^)]*)\\)`)
      .exec(source)?.[1]
      ?.split(',')
      .map((column) => column.trim());
    expect(new Set([...(list ?? []), ...leftOut])).toEqual(new Set([...columns.map(({ name }) => name), ...leftOut]));
  });
});

describe('a source', () => {
  test('that runs or waits is not forked', async () => {
    const { id } = ids(await made());
    await app.call('POST', `/v1/sessions/${id}/messages`, said('Go.'));
    const { task, input } = await worker.reason();
    const before = await app.rowCounts();
    const refused = await fork(id);
    expect([refused.status, refused.json['code']]).toEqual([409, 'wrong_state']);
    expect(await app.rowCounts()).toEqual(before);
    await worker.complete(task, answer(input, { calls: [call('client', { side: 'client' })] }));
    expect((await app.call('GET', `/v1/sessions/${id}`)).json['status']).toBe('waitingfortoolresults');
    expect((await fork(id)).status).toBe(409);
    await app.call('POST', `/v1/sessions/${id}/cancel`);
    expect((await fork(id)).status).toBe(201);
  });

  test('that is deleted leaves its forks as they are, but for the pointer', async () => {
    const { id } = ids(await made());
    const copy = textOf((await fork(id)).json['id']);
    const listed = async (): Promise<unknown[]> =>
      rowsOf((await app.call('GET', `/v1/sessions?forked_from=${id}`)).json['data']).map((row) => row['id']);
    expect(await listed()).toEqual([copy]);
    await app.call('DELETE', `/v1/sessions/${id}`);
    const session = (await app.call('GET', `/v1/sessions/${copy}`)).json;
    expect(session).not.toHaveProperty('forked_from_session_id');
    expect(session).not.toHaveProperty('forked_from_sequence');
    expect((await eventsOf(copy)).length).toBe(1);
  });
});

test('what cannot be forked is refused, and nothing is written', async () => {
  const { id } = ids(await made());
  const other = ids(await made());
  await turnWithTool(other.id, 'd1');
  const foreign = (await messagesOf(other.id))[0]?.['id'];
  await app.call('POST', '/v1/agents', { name: 'put-aside', system_prompt: 'x' });
  const aside = (await app.call('GET', '/v1/agents/put-aside')).json['id'];
  await app.call('DELETE', '/v1/agents/put-aside');
  const none = 'f'.repeat(32);
  const before = await app.rowCounts();
  for (const [body, status, code, field] of [
    [{ up_to_message_id: foreign }, 404, 'not_found', 'up_to_message_id'],
    [{ up_to_message_id: `message_${none}` }, 404, 'not_found', 'up_to_message_id'],
    [{ up_to_message_id: 'first' }, 400, 'malformed_id', 'up_to_message_id'],
    [{ agent_id: `agent_${none}` }, 404, 'not_found', 'agent_id'],
    [{ agent_id: aside }, 400, 'dependency_archived', 'agent_id'],
    [{ model_id: `model_${none}` }, 404, 'not_found', 'model_id'],
    [{ capabilities: [{ ref: 'none' }] }, 400, 'unknown_capability', 'capabilities.0.ref'],
    [{ locale: 'klingon!' }, 400, 'invalid_request', 'locale'],
    [{ tags: 'x' }, 400, 'invalid_request', 'tags'],
  ] as const) {
    const refused = await fork(id, body);
    expect([refused.status, refused.json['code'], refused.json['field']], JSON.stringify(body)).toEqual([status, code, field]);
  }
  expect((await fork(`session_${none}`)).status).toBe(404);
  expect(await app.rowCounts()).toEqual(before);
});
