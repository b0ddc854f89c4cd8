import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createIdSource, toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { openDatabase } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { commitEvents, createLogSession } from '@everruns/testing/log-writer';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { SseClient } from '@everruns/testing/sse-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { InstanceMessage } from './testing/instance-process.ts';
import { TurnWriter } from './testing/turn-writer.ts';
import type { Relay, WriterWorld } from './testing/turn-writer.ts';
import { Chance } from './testing/virtual-time.ts';

/**
 * Clients that break their connection at random moments and come back to any of three instances, from the ids of events and of deltas,
 * while instances are killed with -9. PostgreSQL only. `STREAM_RECONNECTS` and `STREAM_SEED` make a larger or another run.
 */
const LONG_RUN = 10_000;
const RECONNECTS = Number(process.env['STREAM_RECONNECTS'] ?? 800);
const SEED = Number(process.env['STREAM_SEED'] ?? 20_270_115);
const INSTANCES = 3;
const SESSIONS = 6;
const CLIENTS = 36;
/** A kill is felt for about this long: until its clients have found another instance and a new one has started. */
const KILL_WINDOW_MS = 1_500;
const BETWEEN_KILLS_MS = 6_000;

let database: TestDatabase;
let db: Database;
const ids = createIdSource();
const chance = new Chance(SEED);
let instances: InstanceProcess[] = [];

class InstanceProcess implements Relay {
  readonly child: ChildProcess;
  port = 0;

  constructor(url: string) {
    this.child = fork(new URL('./testing/instance-process.ts', import.meta.url), [url], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  async ready(): Promise<this> {
    const [{ port }] = (await once(this.child, 'message')) as [{ port: number }];
    this.port = port;
    return this;
  }

  isAlive(): boolean {
    return this.port !== 0 && this.child.connected && this.child.signalCode === null;
  }

  committed(...[sessionId, events]: Parameters<Relay['committed']>): void {
    this.#tell({ kind: 'committed', sessionId, events: [...events] });
  }

  delta(...[delta]: Parameters<Relay['delta']>): void {
    this.#tell({ kind: 'delta', delta });
  }

  #tell(message: InstanceMessage): void {
    if (this.isAlive()) this.child.send(message, () => undefined); // it may die on the way
  }
}

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase({ ...database.settings, poolSize: 6 });
  instances = await Promise.all(Array.from({ length: INSTANCES }, () => new InstanceProcess(database.url).ready()));
});

afterAll(async () => {
  for (const { child } of instances) child.kill('SIGKILL');
  await db.close();
  await database.drop();
});

const world: WriterWorld = {
  chance,
  sleep: (ms) => sleep(ms),
  later: (ms, work) => void setTimeout(work, ms),
  uuid: () => ids.next(),
  commit: (sessionId, drafts) => commitEvents(db, sessionId, drafts),
  relay: () => chance.pick(instances.filter((instance) => instance.isAlive())),
};

it(
  `serves ${RECONNECTS} reconnects without losing or repeating an event or a character`,
  async () => {
    const sessions: Uuid[] = [];
    for (let n = 0; n < SESSIONS; n++) sessions.push(await createLogSession(db));
    const isQuiet = (sessionId: Uuid): boolean => sessions.indexOf(sessionId) % 2 === 1;
    const run = { on: true, connections: 0, duringKill: 0, kills: 0, killedAtMs: Number.NEGATIVE_INFINITY };
    const clients = Array.from({ length: CLIENTS }, (_, n) => follow(sessions[n % SESSIONS] as Uuid, run));
    const writers = sessions.map(async (sessionId) => {
      while (run.on) await new TurnWriter({ ...world, quiet: isQuiet(sessionId) }, sessionId).write();
    });
    const killer = killAgainAndAgain(run);
    const cutters = clients.map(async ({ client }) => {
      while (run.on) {
        await sleep(20 + chance.next() ** 2 * 200);
        client.cut();
      }
    });
    while (run.connections - CLIENTS < RECONNECTS) await sleep(50);
    run.on = false;
    await Promise.all([...writers, ...cutters, killer]);
    await settled(clients);
    const sums = { deltas: 0, compared: 0, restarts: 0, doubled: 0, events: 0 };
    for (const { client, sessionId } of clients) {
      const { record } = client;
      await client.stop();
      expect(record.problems).toEqual([]);
      // Only an event in the middle of a text has an id that knows no place in it.
      if (isQuiet(sessionId)) expect(record).toMatchObject({ restarts: 0, doubled: 0 });
      const log = await logOf(sessionId);
      expect(record.durable.map((event) => event.id)).toEqual(log.slice(log.length - record.durable.length));
      sums.deltas += record.deltas;
      sums.compared += record.compared;
      sums.restarts += record.restarts;
      sums.doubled += record.doubled;
      sums.events += record.durable.length;
    }
    const reconnects = run.connections - CLIENTS;
    const share = Math.round((100 * run.duringKill) / reconnects);
    console.log(`seed ${SEED}: ${reconnects} reconnects, ${share} % during ${run.kills} kills; ${JSON.stringify(sums)}`);
    // When the kills come is chance; only a long run is bound to have its share of them.
    if (RECONNECTS >= LONG_RUN) expect(share).toBeGreaterThanOrEqual(10);
    expect(sums.compared).toBeGreaterThan(0);
  },
  Math.max(120_000, RECONNECTS * 40),
);

interface Run {
  on: boolean;
  connections: number;
  duringKill: number;
  kills: number;
  killedAtMs: number;
}

interface Following {
  client: SseClient;
  sessionId: Uuid;
}

function follow(sessionId: Uuid, run: Run): Following {
  const client = new SseClient({
    baseUrl: () => `http://127.0.0.1:${chance.pick(instances).port}/api`,
    sessionId: toPublicId('session', sessionId),
    query: { after_sequence: '0' },
    backOffMs: { first: 5, cap: 100 },
    onConnected: () => {
      run.connections += 1;
      if (performance.now() - run.killedAtMs < KILL_WINDOW_MS) run.duringKill += 1;
    },
  });
  return { client, sessionId };
}

async function killAgainAndAgain(run: Run): Promise<void> {
  while (run.on) {
    await sleep(500 + chance.next() * BETWEEN_KILLS_MS * 2 * 0.4);
    if (!run.on) return;
    const index = chance.int(0, instances.length - 1);
    const victim = instances[index] as InstanceProcess;
    victim.child.kill('SIGKILL');
    run.kills += 1;
    run.killedAtMs = performance.now();
    await once(victim.child, 'exit');
    await sleep(chance.next() * 500);
    instances[index] = await new InstanceProcess(database.url).ready();
  }
}

/** Everybody has everything: a hint that died with its instance is found when the others notice, after 6 to 8 s. */
async function settled(clients: readonly Following[]): Promise<void> {
  const isBehind = async ({ client, sessionId }: Following) => client.record.lastSequence !== (await logOf(sessionId)).length;
  for (let waited = 0; waited < 20_000; waited += 200) {
    const behind = await Promise.all(clients.map(isBehind));
    if (!behind.includes(true)) return;
    await sleep(200);
  }
}

async function logOf(sessionId: Uuid): Promise<string[]> {
  const rows = await db.run<{ id: string }>(
    { name: 'log_ids', text: "select public_id('event', id) as id from events where session_id = $1 order by seq" },
    [sessionId],
  );
  return rows.map((row) => row.id);
}
