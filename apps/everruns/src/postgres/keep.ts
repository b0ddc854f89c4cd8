import { DataInUseError, StartError } from '../errors.ts';
import { FIRST_START, nextRestart } from '../processes/restart-policy.ts';
import { claimOwnership, ensureDatabase, type Ownership } from './ownership.ts';
import { startPostgres, type PostgresOptions, type PostgresServer } from './start.ts';

export interface KeepOptions {
  postgres: PostgresOptions;
  database: string;
  say: (line: string) => void;
}

/** A server that is started again whenever it ends, on data that no other Everruns uses meanwhile. */
export interface KeptPostgres {
  /** The one that runs now; its URLs stay the same over restarts. */
  readonly server: PostgresServer;
  /** Resolves when the data can't be kept: another Everruns took it over while the server was down. */
  readonly lost: Promise<StartError>;
  stop(): Promise<void>;
}

interface Held {
  /** With what it really runs: without TCP when another program has the port. */
  postgres: PostgresOptions;
  server: PostgresServer;
  ownership: Ownership;
}

/** Throws a StartError when another process uses the data already. */
export async function keepPostgres(options: KeepOptions): Promise<KeptPostgres> {
  let held = await hold(options.postgres);
  try {
    await ensureDatabase(held.server, options.database);
  } catch (error) {
    await held.server.stop();
    throw error;
  }
  const lost = Promise.withResolvers<StartError>();
  let stopping = false;
  const watch = async () => {
    for (;;) {
      await Promise.race([held.server.gone, held.ownership.lost]);
      if (stopping) return;
      held = await holdAgain(held.postgres, options.say, () => stopping);
    }
  };
  watch().catch((error: unknown) => lost.resolve(error instanceof StartError ? error : new StartError(String(error))));
  return {
    get server() {
      return held.server;
    },
    lost: lost.promise,
    async stop() {
      stopping = true;
      await held.ownership.release().catch(() => undefined); // gone with its server
      await held.server.stop();
    },
  };
}

/** One owner at a time. A server that was left running with other settings is restarted, once nobody else can be using it. */
async function hold(wanted: PostgresOptions): Promise<Held> {
  const { server, postgres } = await startWithReachablePort(wanted);
  const ownership = await claimOwnership(server);
  if (ownership === undefined) throw new DataInUseError(`Another Everruns is running on ${wanted.dataDir}.`);
  if (!server.outdated) return { postgres, server, ownership };
  await ownership.release();
  await server.stop();
  return hold(wanted);
}

/** The TCP port is a convenience for people's tools: when another program has it, the Unix socket is enough. */
async function startWithReachablePort(wanted: PostgresOptions): Promise<Pick<Held, 'server' | 'postgres'>> {
  try {
    return { server: await startPostgres(wanted), postgres: wanted };
  } catch (error) {
    if (!(error instanceof StartError) || !error.message.includes('TCP/IP sockets')) throw error;
    const { tcp: _, ...socketOnly } = wanted;
    return { server: await startPostgres(socketOnly), postgres: socketOnly };
  }
}

/** Tries for ever, ever more slowly, as the reason may be a full disk that somebody is clearing. */
async function holdAgain(postgres: PostgresOptions, say: (line: string) => void, stopped: () => boolean): Promise<Held> {
  say('PostgreSQL ended; it is started again.');
  let state = FIRST_START;
  for (;;) {
    const result = await hold(postgres).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    if (!(result instanceof Error)) return result;
    if (stopped() || result instanceof DataInUseError) throw result;
    const next = nextRestart(state, 0);
    state = next.state;
    if (next.delayMs > 1_000) say(`${result.message} Next try in ${Math.round(next.delayMs / 1000)} s.`);
    await new Promise((resolve) => setTimeout(resolve, next.delayMs));
  }
}
