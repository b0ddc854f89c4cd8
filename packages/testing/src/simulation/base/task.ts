import type { Timeline } from './timeline.ts';

/**
 * What a simulated process does is a generator that parks itself and is resumed by whatever it waits for: an interleaving is nothing but the
 * order of the resumptions, and no promise hides one.
 */
export type Task<T> = Generator<Park, T, void>;
export type Park = (resume: () => void) => void;

/** Parks until `register`'s callback is called, with its value. Later calls are ignored. */
export function* wait<T>(register: (resolve: (value: T) => void) => void): Task<T> {
  let outcome: { value: T } | null = null;
  yield (resume) =>
    register((value) => {
      if (outcome !== null) return;
      outcome = { value };
      resume();
    });
  return (outcome as unknown as { value: T }).value;
}

export function* sleep(timeline: Timeline, ms: number): Task<void> {
  yield (resume) => timeline.after(ms, resume);
}

/** What is known without waiting, as a task. */
export function* done<T>(result: () => T): Task<T> {
  yield* NOTHING;
  return result();
}

const NOTHING: readonly Park[] = [];

/** Runs a task that nothing can stop. */
export function run(task: Task<unknown>): void {
  const step = (): void => {
    const next = task.next();
    if (next.done !== true) next.value(step);
  };
  step();
}

/** The life of a process: what it does ends with it, and stands still while it is stopped. */
export class Life {
  alive = true;
  /** Counts the stops, so that whoever watches can tell one from the next. */
  stops = 0;
  stopped = false;
  readonly #onError: (error: unknown) => void;
  readonly #ends: (() => void)[] = [];
  #deferred: (() => void)[] = [];

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  spawn(task: Task<unknown>): void {
    const step = (): void => {
      const next = task.next();
      if (next.done !== true) next.value(resume);
    };
    const resume = (): void => this.act(step);
    resume();
  }

  /** Does something as this process: never after its end, and later when it is stopped. */
  act(act: () => void): void {
    if (!this.alive) return;
    if (this.stopped) {
      this.#deferred.push(act);
      return;
    }
    try {
      act();
    } catch (error) {
      this.#onError(error);
    }
  }

  stop(): void {
    if (this.stopped || !this.alive) return;
    this.stopped = true;
    this.stops++;
  }

  /** Goes on where it stood, as a process does after SIGCONT. */
  resume(): void {
    if (!this.stopped) return;
    this.stopped = false;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const act of deferred) this.act(act);
  }

  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.#deferred = [];
    for (const end of this.#ends.splice(0)) end();
  }

  onEnd(end: () => void): void {
    this.#ends.push(end);
  }
}
