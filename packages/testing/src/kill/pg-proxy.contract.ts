import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startPostgres } from 'everruns/postgres/start';
import { freePort } from '../free-port.ts';
import { makeClusterHome } from '../orphaned-clusters.ts';
import { startPgProxy } from './pg-proxy.ts';
import type { PostgresServer } from 'everruns/postgres/start';
import type { CommitAnswer, CommitFate, WriteCommit } from './pg-hooks.ts';
import type { PgProxy } from './pg-proxy.ts';

const PASSWORD = 'through-the-proxy';
const FORWARD: CommitFate = { send: 'forward', reply: 'forward' };

let home: string;
let server: PostgresServer;
let port: number;
let direct: pg.Client;
let proxy: PgProxy;
let clients: pg.Client[];

beforeAll(async () => {
  home = await makeClusterHome();
  port = await freePort();
  server = await startPostgres({
    dataDir: join(home, 'data'),
    logFile: join(home, 'postgres.log'),
    durability: 'disposable',
    tcp: { port, password: PASSWORD },
  });
  direct = new pg.Client(server.url('postgres'));
  await direct.connect();
});

afterAll(async () => {
  await direct.end();
  await server.stop();
  await rm(home, { recursive: true, force: true });
});

beforeEach(async () => {
  await direct.query('drop table if exists t; create table t (id text primary key)');
  proxy = await startPgProxy({ host: '127.0.0.1', port });
  clients = [];
});

afterEach(async () => {
  for (const client of clients) await client.end().catch(() => undefined); // some tests have broken theirs
  await proxy.close();
});

async function connect(options: { pipeline?: boolean } = {}): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: proxy.port,
    user: 'everruns',
    password: PASSWORD,
    database: 'postgres',
    ...options,
  });
  client.on('error', () => undefined); // broken on purpose
  await client.connect();
  clients.push(client);
  return client;
}

const insert = (id: string) => ({ name: 'insert', text: 'insert into t values ($1)', values: [id] });
const stored = async () => (await direct.query<{ id: string }>('select id from t order by id')).rows.map((row) => row.id);

describe('pass-through', () => {
  it('lets a client log in with its password and gives it the same rows, also large ones', async () => {
    const client = await connect();
    const { rows } = await client.query<{ text: string; pid: number }>("select repeat('x', 3000000) as text, pg_backend_pid() as pid");
    expect(rows[0]?.text).toHaveLength(3_000_000);
  });

  it('passes notifications, and drops those that it is told to drop', async () => {
    const heard: string[] = [];
    const client = await connect();
    client.on('notification', (message) => heard.push(message.payload ?? ''));
    await client.query('listen c');
    await direct.query("notify c, 'one'");
    await expect.poll(() => heard).toEqual(['one']);
    proxy.hooks = { onNotification: () => false };
    await direct.query("notify c, 'two'");
    await client.query('select 1');
    expect(heard).toEqual(['one']);
  });

  it('passes errors and tells what each unit answered', async () => {
    const answers: CommitAnswer[] = [];
    proxy.hooks = { onUnit: (statements, answer) => void (statements.length > 0 && answers.push(answer)) };
    const client = await connect();
    await client.query(insert('a'));
    await expect(client.query(insert('a'))).rejects.toThrow('duplicate key');
    await client.query('select 1');
    expect(answers).toEqual([
      { tags: ['INSERT 0 1'], error: null },
      { tags: [], error: '23505' },
      { tags: ['SELECT 1'], error: null },
    ]);
  });
});

describe('commits', () => {
  it('are seen once each, with the statements they make durable and the process that serves them', async () => {
    const seen: { names: string[]; pid: number }[] = [];
    proxy.hooks = {
      onCommit: async (commit) => {
        seen.push({ names: commit.statements.map((statement) => statement.name || statement.text), pid: commit.backendPid });
        return FORWARD;
      },
    };
    const client = await connect({ pipeline: true });
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    await client.query(insert('a'));
    await Promise.all(['begin', insert('b'), insert('c'), 'select 1 from t for update', 'commit'].map((query) => client.query(query)));
    await Promise.all(['begin', 'select 1 from t for update', 'commit'].map((query) => client.query(query)));
    expect(seen).toEqual([
      { names: ['insert'], pid: rows[0]?.pid },
      { names: ['insert', 'insert'], pid: rows[0]?.pid },
    ]);
    expect(await stored()).toEqual(['a', 'b', 'c']);
  });

  it('are known by the ids that travel with them', async () => {
    const mentions: boolean[] = [];
    proxy.hooks = {
      onCommit: async (commit) => {
        mentions.push(commit.bytes.includes('worker-1'));
        return FORWARD;
      },
    };
    const client = await connect();
    await client.query(insert('worker-1'));
    await client.query(insert('worker-2'));
    expect(mentions).toEqual([true, false]);
  });

  it('do not happen when dropped before the server', async () => {
    proxy.hooks = {
      onCommit: async (commit) => {
        commit.cut();
        return { send: 'drop', reply: 'swallow' };
      },
    };
    const client = await connect();
    await expect(client.query(insert('a'))).rejects.toThrow('terminated');
    expect(await stored()).toEqual([]);
  });

  it('wait for a slow decision, and so does everything after them on that connection', async () => {
    const decided = Promise.withResolvers<CommitFate>();
    proxy.hooks = { onCommit: () => decided.promise };
    const client = await connect({ pipeline: true });
    let later = false;
    const write = client.query(insert('a'));
    const read = client.query('select 1').then(() => (later = true));
    await (await connect()).query('select 1');
    expect([later, await stored()]).toEqual([false, []]);
    decided.resolve(FORWARD);
    await Promise.all([write, read]);
    expect(await stored()).toEqual(['a']);
  });

  it('happen although the reply is lost', async () => {
    let commit: WriteCommit | undefined;
    proxy.hooks = {
      onCommit: async (seen) => {
        commit = seen;
        return { send: 'forward', reply: 'swallow', arrived: () => seen.cut() };
      },
    };
    const client = await connect();
    await expect(client.query(insert('a'))).rejects.toThrow('terminated');
    expect(commit?.statements).toHaveLength(1);
    expect(await stored()).toEqual(['a']);
  });

  it('are shown answered before the client knows, and again after', async () => {
    const steps: string[] = [];
    proxy.hooks = {
      onCommit: async () => ({
        ...FORWARD,
        arrived: (reply) => steps.push(`arrived ${reply.tags[0]} ${reply.bytes.includes('INSERT 0 1')}`),
        passed: () => steps.push('passed'),
      }),
    };
    await (await connect()).query(insert('a'));
    steps.push('told');
    expect(steps).toEqual(['arrived INSERT 0 1 true', 'passed', 'told']);
  });

  it('can be cut off right before the client would know', async () => {
    proxy.hooks = { onCommit: async (seen) => ({ ...FORWARD, arrived: () => seen.cut() }) };
    await expect((await connect()).query(insert('a'))).rejects.toThrow('terminated');
    expect(await stored()).toEqual(['a']);
  });
});

describe('a statement rewritten on the wire', () => {
  it('runs as rewritten, prepared or simple', async () => {
    proxy.hooks = { rewrite: ({ text }) => text.replace('id = $1', "(id = $1 or id = 'b')").replace('select 1', 'select 2') };
    const client = await connect();
    await direct.query("insert into t values ('a'), ('b')");
    await client.query({ name: 'remove', text: 'delete from t where id = $1', values: ['a'] });
    expect(await stored()).toEqual([]);
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 2 }]);
  });
});
