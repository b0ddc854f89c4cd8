import { ConnectionError } from '@everruns/storage';
import type { Database, Queryable, Row, Statement } from '@everruns/storage';

type Fault = (run: () => Promise<unknown>) => Promise<unknown>;
/** One statement, or several of which the first that comes is meant. */
type Names = string | readonly string[];

/**
 * A real database whose connection fails on purpose: before a statement is sent, after it has taken effect, or for a while. Statements are
 * named; `commit` is the end of a transaction, and `before commit` the moment in which it can still be undone.
 */
export class FaultyDatabase implements Database {
  readonly poolSize: number;
  /** Nothing gets through, in either direction. */
  away = false;
  readonly #inner: Database;
  readonly #faults: { names: readonly string[]; fault: Fault }[] = [];

  constructor(inner: Database) {
    this.#inner = inner;
    this.poolSize = inner.poolSize;
  }

  /** The next such statement takes effect, but its reply is lost. */
  loseReply(names: Names): void {
    this.#add(names, async (run) => {
      await run();
      throw new ConnectionError('the reply was lost');
    });
  }

  /** The connection breaks while the next such statement runs: it goes on unheard, and may take effect at any time. `ended` settles when it has. */
  breakDuring(names: Names): { ended: Promise<unknown> } {
    const ended = Promise.withResolvers<unknown>();
    this.#add(names, (run) => {
      ended.resolve(run().catch(() => undefined));
      return Promise.reject(new ConnectionError('the connection broke'));
    });
    return { ended: ended.promise };
  }

  /** The next such statement is answered with this error, without effect. */
  refuse(names: Names, error: Error = new ConnectionError('no connection')): void {
    this.#add(names, () => Promise.reject(error));
  }

  /** The next such statement waits before it is sent. */
  hold(names: Names): { reached: Promise<void>; release(): void } {
    return this.#hold(names, async (run, wait) => {
      await wait();
      return run();
    });
  }

  /** The reply to the next such statement, which takes effect at once, is late. */
  holdReply(names: Names): { reached: Promise<void>; release(): void } {
    return this.#hold(names, async (run, wait) => {
      const result = await run();
      await wait();
      return result;
    });
  }

  #hold(names: Names, fault: (run: () => Promise<unknown>, wait: () => Promise<void>) => Promise<unknown>) {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const wait = (): Promise<void> => {
      reached.resolve();
      return released.promise;
    };
    this.#add(names, (run) => fault(run, wait));
    return { reached: reached.promise, release: () => released.resolve() };
  }

  #add(names: Names, fault: Fault): void {
    this.#faults.push({ names: typeof names === 'string' ? [names] : names, fault });
  }

  async #through<T>(name: string, run: () => Promise<T>): Promise<T> {
    if (this.away) throw new ConnectionError('the database is away');
    const at = this.#faults.findIndex(({ names }) => names.includes(name));
    return at < 0 ? run() : ((await this.#faults.splice(at, 1)[0]?.fault(run)) as T);
  }

  run<R extends Row = Row>(statement: Statement, values?: readonly unknown[]): Promise<R[]> {
    return this.#through(statement.name, () => this.#inner.run<R>(statement, values));
  }

  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.#through('commit', () =>
      this.#inner.transaction(async (tx) => {
        const result = await work({
          run: <R extends Row = Row>(statement: Statement, values?: readonly unknown[]) =>
            this.#through(statement.name, () => tx.run<R>(statement, values)),
        });
        return this.#through('before commit', () => Promise.resolve(result));
      }),
    );
  }

  dedicated(): ReturnType<Database['dedicated']> {
    return this.#inner.dedicated();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
