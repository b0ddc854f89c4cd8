import { postgresTransport } from '@everruns/bus';
import {
  catchUp,
  eventsAfter,
  keepConnected,
  lastSequences,
  markOpenText,
  openNotificationChannel,
  readNewText,
  readTextOfSessions,
  streamStart,
  truncateOlderText,
  unmarkOpenText,
  writeOpenText,
} from '@everruns/storage';
import type { Database, StandingConnection } from '@everruns/storage';
import type { LogReader, TextTable } from './log-port.ts';
import { Pipeline } from './pipeline.ts';
import type { Peers, StreamClock, StreamConfig, Streams } from './port.ts';
import { streamRoutes } from './routes.ts';

/** What the streams say in the log. */
export interface StreamLog {
  warn(fields: object, message: string): void;
}

export interface StreamsDeps {
  db: Database;
  /** A direct connection to the same database: LISTEN does not survive a pooler. */
  openDedicated: Database['dedicated'];
  peers: Peers;
  config: StreamConfig;
  log: StreamLog;
  clock: StreamClock;
  random?: () => number;
}

/** Heartbeats above this would let clients give up a quiet stream (contract 5.4). */
const HEARTBEAT_MAX_MS = 45_000;
const HEARTBEAT_DEFAULT_MS = 30_000;

/** The event pipeline of one instance over PostgreSQL. */
export function createStreams(deps: StreamsDeps): Streams {
  const { db, log } = deps;
  const onError = (error: unknown): void => log.warn({ err: error }, 'event stream: the database did not answer');
  const channel = openNotificationChannel({ open: deps.openDedicated, onError });
  const texts = createTextTable({ db, open: deps.openDedicated, onError });
  const reader = createLogReader(db);
  const pipeline = new Pipeline({
    log: reader,
    texts: texts.table,
    transport: postgresTransport(channel),
    peers: deps.peers,
    config: checkedConfig(deps.config, log),
    clock: deps.clock,
    defer: (work) => void setImmediate(work),
    random: deps.random ?? Math.random,
    onError,
  });
  return {
    feed: pipeline.sync.feed,
    readyHints: pipeline.sync.readyHints,
    routes: streamRoutes({ pipeline, db }),
    openTurnWait: (scope, sessionId) => pipeline.openTurnWait(scope.orgId, sessionId),
    async waitForTurn(wait) {
      const turn = await pipeline.openTurnWait(wait.scope.orgId, wait.sessionId);
      try {
        return await turn.ended(wait);
      } finally {
        turn.close();
      }
    },
    stats: () => pipeline.stats(),
    async listening() {
      if (!channel.connected) await new Promise<void>((resolve) => void channel.onOpened(resolve));
    },
    async close() {
      await pipeline.close();
      await texts.close();
    },
  };
}

function checkedConfig(config: StreamConfig, log: StreamLog): StreamConfig {
  if (config.heartbeatMs < HEARTBEAT_MAX_MS) return config;
  log.warn(
    { heartbeatMs: config.heartbeatMs },
    `heartbeats are sent every ${HEARTBEAT_DEFAULT_MS / 1000} s: clients give up after 45 s of silence`,
  );
  return { ...config, heartbeatMs: HEARTBEAT_DEFAULT_MS };
}

function createLogReader(db: Database): LogReader {
  return {
    start: (at) => streamStart(db, at),
    page: (at, limits) => eventsAfter(db, at, limits),
    catchUp: (sessions, limits) => catchUp(db, sessions, limits),
    lastSequences: (ids) => lastSequences(db, ids),
  };
}

/** Text is written over a connection of its own, so that its rows become visible in the order of their numbers. Opened when first needed. */
function createTextTable(deps: { db: Database; open: Database['dedicated']; onError: (error: unknown) => void }): {
  table: TextTable;
  close(): Promise<void>;
} {
  const { db } = deps;
  let connection: StandingConnection | null = null;
  const writer = async (): Promise<StandingConnection> => {
    connection ??= keepConnected(deps);
    await connection.opened();
    return connection;
  };
  return {
    table: {
      write: async (instanceId, rows) => writeOpenText(await writer(), instanceId, rows),
      mark: async (instanceId) => markOpenText(await writer(), instanceId),
      unmark: async (instanceId) => unmarkOpenText(await writer(), instanceId),
      readNew: (cursors, ids) => readNewText(db, cursors, ids),
      readSessions: (ids, extent) => readTextOfSessions(db, ids, extent),
      truncateOlder: () => truncateOlderText(db),
    },
    close: async () => connection?.close(),
  };
}
