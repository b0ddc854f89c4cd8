import { describe, expect, it } from 'vitest';
import { createRandom } from '../base/random.ts';
import { run, sleep } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import { Timeline } from '../base/timeline.ts';
import { Statement } from './statement.ts';
import type { StatementHost } from './statement.ts';
import { Store } from './store.ts';
import type { Isolation } from './store.ts';
import type { InstanceRow } from './tables.ts';
import { SqlError } from './tx.ts';
import type { Tx } from './tx.ts';

/** One row per letter in `instances`; its beat is the value that the tests look at. */
class Play {
  readonly timeline = new Timeline();
  readonly deadlocks: string[] = [];
  readonly store: Store;
  readonly #host: StatementHost;

  constructor(isolation: Isolation = 'read committed') {
    const { timeline } = this;
    const onDeadlock = (text: string): void => void this.deadlocks.push(text);
    this.store = new Store({ timeline, random: createRandom(1), isolation, onCommit: () => undefined, onDeadlock });
    const pause = (): Task<void> => sleep(timeline, 0);
    this.#host = { store: this.store, scheduleToStartMs: null, nowMs: () => timeline.nowMs, pause };
    this.play(function* (this: Play) {
      const tx = yield* this.store.begin('set up');
      const s = this.statement(tx);
      for (const key of ['a', 'b']) yield* s.insert(s.tables.instances, key, row(key, 1));
      this.store.commit(tx);
    });
  }

  statement(tx: Tx): Statement {
    return new Statement(this.#host, tx);
  }

  /** Runs tasks side by side to the end; gives what each returned, or its SQL error's code. */
  play(...tasks: ((this: Play) => Task<unknown>)[]): unknown[] {
    const results: unknown[] = tasks.map(() => 'waits for ever');
    for (const [index, task] of tasks.entries()) {
      run(
        function* (this: Play): Task<void> {
          try {
            results[index] = yield* task.call(this);
          } catch (error) {
            if (!(error instanceof SqlError)) throw error;
            results[index] = error.code;
          }
        }.call(this),
      );
    }
    while (this.timeline.step());
    return results;
  }

  /** Adds to a row, and commits after a while. */
  adding(key: string, afterMs = 10): (this: Play) => Task<unknown> {
    return function* (this: Play) {
      const tx = yield* this.store.begin('add');
      const s = this.statement(tx);
      const changed = yield* s.update(s.tables.instances, key, add);
      yield* sleep(this.timeline, afterMs);
      this.store.commit(tx);
      return changed?.beat;
    };
  }
}

const row = (id: string, beat: number): InstanceRow => ({ id, beat, lost: false });
const add = (before: InstanceRow): InstanceRow => ({ ...before, beat: before.beat + 1 });

describe('a statement', () => {
  it('reads what had committed when it began, however long it waits', () => {
    const play = new Play();
    const [, read] = play.play(play.adding('a'), function* () {
      const tx = yield* this.store.begin('read');
      const s = this.statement(tx);
      yield* sleep(this.timeline, 20);
      const old = s.get(s.tables.instances, 'a')?.beat;
      const next = this.statement(tx);
      return [old, next.get(next.tables.instances, 'a')?.beat];
    });
    expect(read).toEqual([1, 2]);
  });

  it('reads a row that it locks again after the wait, and no other', () => {
    const play = new Play();
    const both = function* (this: Play): Task<unknown> {
      const tx = yield* this.store.begin('both');
      const s = this.statement(tx);
      yield* s.update(s.tables.instances, 'a', add);
      yield* s.update(s.tables.instances, 'b', add);
      yield* sleep(this.timeline, 10);
      this.store.commit(tx);
      return null;
    };
    const [, seen] = play.play(both, function* () {
      const s = this.statement(yield* this.store.begin('lock'));
      const locked = yield* s.lock(s.tables.instances, 'a');
      return [locked?.beat, s.get(s.tables.instances, 'b')?.beat];
    });
    expect(seen).toEqual([2, 1]);
  });

  it('finds a row gone that was deleted while it waited, or that no longer is what it looked for', () => {
    const play = new Play();
    const ending = function* (this: Play): Task<unknown> {
      const tx = yield* this.store.begin('delete');
      const s = this.statement(tx);
      yield* s.delete(s.tables.instances, 'a');
      yield* s.update(s.tables.instances, 'b', add);
      yield* sleep(this.timeline, 10);
      this.store.commit(tx);
      return null;
    };
    const [, deleted, changed] = play.play(
      ending,
      function* () {
        const s = this.statement(yield* this.store.begin('lock a'));
        yield* sleep(this.timeline, 5);
        return yield* s.lock(s.tables.instances, 'a');
      },
      function* () {
        const s = this.statement(yield* this.store.begin('lock b'));
        yield* sleep(this.timeline, 5);
        return yield* s.lock(s.tables.instances, 'b', (found) => found.beat === 1);
      },
    );
    expect([deleted, changed]).toEqual([null, null]);
  });

  it('finds no row to lock that was inserted after it began', () => {
    const play = new Play();
    const inserting = function* (this: Play): Task<unknown> {
      const tx = yield* this.store.begin('insert');
      const s = this.statement(tx);
      yield* s.insert(s.tables.instances, 'c', row('c', 1));
      this.store.commit(tx);
      return null;
    };
    const [, found] = play.play(inserting, function* () {
      const tx = yield* this.store.begin('lock');
      const before = this.statement(tx);
      yield* sleep(this.timeline, 5);
      return [yield* before.lock(before.tables.instances, 'd'), (yield* this.statement(tx).lock(before.tables.instances, 'c'))?.beat];
    });
    expect(found).toEqual([null, 1]);
  });

  it('passes over locked rows when it is told to', () => {
    const play = new Play();
    const [, skipped] = play.play(play.adding('a'), function* () {
      const s = this.statement(yield* this.store.begin('skip'));
      yield* sleep(this.timeline, 1);
      return [s.tryLock(s.tables.instances, 'a'), s.tryLock(s.tables.instances, 'b')?.beat];
    });
    expect(skipped).toEqual([null, 1]);
  });

  it('adds to what others added while it waited', () => {
    const play = new Play();
    expect(new Set(play.play(play.adding('a'), play.adding('a'), play.adding('a')))).toEqual(new Set([2, 3, 4]));
  });

  it('does not see its own writes; the next one of its transaction does', () => {
    const [seen] = new Play().play(function* () {
      const tx = yield* this.store.begin('own');
      const s = this.statement(tx);
      yield* s.update(s.tables.instances, 'a', add);
      const next = this.statement(tx);
      return [s.get(s.tables.instances, 'a')?.beat, next.get(next.tables.instances, 'a')?.beat];
    });
    expect(seen).toEqual([1, 2]);
  });
});

describe('a unique key', () => {
  const inserting = (end: 'commit' | 'abort') =>
    function* (this: Play): Task<unknown> {
      const tx = yield* this.store.begin('insert');
      const s = this.statement(tx);
      yield* s.insert(s.tables.instances, 'c', row('c', 1));
      yield* sleep(this.timeline, 10);
      this.store[end](tx);
      return end;
    };

  it.each([
    ['commit', '23505'],
    ['abort', 'commit'],
  ] as const)('is waited for: after %s the second insert ends with %s', (first, second) => {
    expect(new Play().play(inserting(first), inserting('commit'))).toEqual([first, second]);
  });
});

describe('a transaction', () => {
  it('that is rolled back leaves nothing and lets the others on', () => {
    const play = new Play();
    const giving = function* (this: Play): Task<unknown> {
      const tx = yield* this.store.begin('give up');
      const s = this.statement(tx);
      yield* s.update(s.tables.instances, 'a', add);
      yield* sleep(this.timeline, 10);
      this.store.abort(tx);
      return 'given up';
    };
    expect(play.play(giving, play.adding('a'))).toEqual(['given up', 2]);
  });

  it('in a circle of waits is refused, and the circle is reported', () => {
    const play = new Play();
    const locking = (first: string, second: string) =>
      function* (this: Play): Task<unknown> {
        const tx = yield* this.store.begin(`${first} then ${second}`);
        const s = this.statement(tx);
        yield* s.lock(s.tables.instances, first);
        yield* sleep(this.timeline, 5);
        try {
          yield* s.lock(s.tables.instances, second);
          this.store.commit(tx);
          return 'done';
        } finally {
          this.store.abort(tx);
        }
      };
    expect(new Set(play.play(locking('a', 'b'), locking('b', 'a')))).toEqual(new Set(['40P01', 'done']));
    expect(play.deadlocks).toHaveLength(1);
    expect(play.deadlocks[0]).toContain('b then a wants instances a');
  });

  it('runs alone in a serializable store, and never sees an old row', () => {
    const play = new Play('serializable');
    const [, seen] = play.play(play.adding('a'), function* () {
      const tx = yield* this.store.begin('read');
      const s = this.statement(tx);
      const beat = s.get(s.tables.instances, 'a')?.beat;
      this.store.commit(tx);
      return beat;
    });
    expect(seen).toBe(2);
  });
});
