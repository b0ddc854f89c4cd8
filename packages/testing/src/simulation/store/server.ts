import type { Random } from '../base/random.ts';
import { Life, sleep, wait } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import type { Timeline } from '../base/timeline.ts';
import { Statement } from './statement.ts';
import type { Sql, StatementHost } from './statement.ts';
import type { Store } from './store.ts';
import { SqlError } from './tx.ts';
import type { Tx } from './tx.ts';

/** How the way between a client and the server fails, one request at a time. */
export type Cut =
  | 'none'
  /** The request never arrives. */
  | 'request'
  /** It is carried out and the client never hears of it. */
  | 'reply';

export interface ServerOptions {
  timeline: Timeline;
  random: Random;
  store: Store;
  cut(): Cut;
  slowness(): number;
  scheduleToStartMs: number | null;
  /** An error that no client can cause and no fault explains. */
  onUnexpected(error: unknown): void;
  trace(line: () => string): void;
}

type Reply<T> = { value: T } | { error: SqlError };

/** One open transaction as the server sees it. */
interface Connection {
  tx: Tx | null;
  /** The server has noticed that the client is gone. */
  closed: boolean;
}

/** How long a broken connection takes to be noticed by its back-end, which holds its locks until then. */
const NOTICE_MS = [1, 40, 600];

/** The database server: runs statements in back-ends that live and die with it, not with their clients. */
export class Server implements StatementHost {
  readonly store: Store;
  readonly scheduleToStartMs: number | null;
  up = true;
  /** What engine_now() is ahead of real time. */
  clockShiftMs = 0;
  readonly #options: ServerOptions;
  #life: Life;
  readonly #waiting = new Set<(error: SqlError) => void>();

  constructor(options: ServerOptions) {
    this.#options = options;
    this.store = options.store;
    this.scheduleToStartMs = options.scheduleToStartMs;
    this.#life = new Life((error) => options.onUnexpected(error));
  }

  nowMs(): number {
    return this.#options.timeline.nowMs + this.clockShiftMs;
  }

  *pause(after: 'snapshot' | 'lock'): Task<void> {
    const { random, timeline } = this.#options;
    const slowness = this.#options.slowness();
    if (after === 'snapshot') yield* sleep(timeline, slowness * random.next() * (random.chance(0.1) ? 3 : 0.5));
    else if (random.chance(0.15)) yield* sleep(timeline, slowness * random.next());
  }

  crash(): void {
    this.up = false;
    this.#life.kill();
    this.store.abortAll();
    for (const fail of this.#waiting) fail(new SqlError('57P01', 'the server went down'));
    this.#waiting.clear();
  }

  restart(): void {
    this.up = true;
    this.#life = new Life((error) => this.#options.onUnexpected(error));
  }

  /** One statement that is its own transaction. Its back-end does not notice when the client is gone. */
  run<T>(sql: Sql<T>): Task<T> {
    return this.#request(sql.name, (reply) => this.#autocommit(sql, reply));
  }

  *#autocommit<T>(sql: Sql<T>, reply: (reply: Reply<T>) => void): Task<void> {
    const tx = yield* this.store.begin(sql.name);
    const result = yield* this.#execute(tx, sql);
    if ('error' in result) this.store.abort(tx);
    else {
      yield* sleep(this.#options.timeline, this.#options.slowness() * this.#options.random.next());
      this.store.commit(tx);
    }
    reply(result);
  }

  *#execute<T>(tx: Tx, sql: Sql<T>): Task<Reply<T>> {
    try {
      const statement = new Statement(this, tx);
      yield* this.pause('snapshot');
      return { value: yield* sql.run(statement) };
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      if (error.code === '23505' && error.table !== 'message_keys') this.#options.onUnexpected(error);
      this.#options.trace(() => `${sql.name}: ${error.message}`);
      return { error };
    }
  }

  /** Statements between begin and commit. `owner` is the client's process: when it dies, the transaction is rolled back a little later. */
  *transaction<T>(owner: Life, work: (run: <U>(sql: Sql<U>) => Task<U>) => Task<T>): Task<T> {
    const connection: Connection = { tx: null, closed: false };
    const close = (): void => {
      this.#options.timeline.after(this.#options.random.next() * this.#options.random.pick(NOTICE_MS), () => {
        connection.closed = true;
        if (connection.tx !== null) this.store.abort(connection.tx);
      });
    };
    owner.onEnd(close);
    try {
      const result = yield* work((sql) => this.#request(sql.name, (reply) => this.#inTransaction(connection, sql, reply)));
      yield* this.#request('commit', (reply) => this.#commit(connection, reply));
      return result;
    } catch (error) {
      close();
      throw error;
    }
  }

  *#inTransaction<T>(connection: Connection, sql: Sql<T>, reply: (reply: Reply<T>) => void): Task<void> {
    if (connection.closed) return;
    connection.tx ??= yield* this.store.begin(sql.name);
    const result = yield* this.#execute(connection.tx, sql);
    if (connection.closed) this.store.abort(connection.tx);
    reply(result);
  }

  *#commit({ tx }: Connection, reply: (reply: Reply<null>) => void): Task<void> {
    yield* sleep(this.#options.timeline, this.#options.random.next());
    if (tx !== null) this.store.commit(tx);
    reply(tx?.state === 'aborted' ? { error: new SqlError('08006', 'the transaction is gone') } : { value: null });
  }

  /** Carries a request there and its reply back. */
  *#request<T>(name: string, serve: (reply: (reply: Reply<T>) => void) => Task<void>): Task<T> {
    const { timeline, random } = this.#options;
    const cut = this.#options.cut();
    const result = yield* wait<Reply<T>>((resolve) => {
      const fail = (error: SqlError): void => {
        this.#waiting.delete(fail);
        timeline.after(random.next() * 5, () => resolve({ error }));
      };
      if (!this.up || cut === 'request') {
        fail(new SqlError('08006', 'no connection'));
        return;
      }
      this.#waiting.add(fail);
      if (cut === 'reply')
        timeline.after(random.next() * 4, () => this.#waiting.has(fail) && fail(new SqlError('08006', 'connection cut')));
      const life = this.#life;
      timeline.after(0.1 + random.next() * 0.4, () =>
        life.spawn(
          serve((reply) => {
            if (cut === 'reply' || !this.#waiting.delete(fail)) return;
            timeline.after(0.1 + random.next() * 0.4, () => resolve(reply));
          }),
        ),
      );
    });
    if ('error' in result) {
      this.#options.trace(() => `${name}: ${result.error.message}`);
      throw result.error;
    }
    return result.value;
  }
}
