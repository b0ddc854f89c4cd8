import type { Uuid } from '@everruns/contract';
import { Hearing } from './hearing.ts';
import { PendingNotes } from './hint.ts';
import type { Hint, HintBody, Note } from './hint.ts';

/** Wake-ups between the instances of one installation: fire and forget, sent after the commit that they tell of. */
export interface Bus {
  /** Sends a note to all other instances; what is published while one is on its way goes together with the next. */
  publish(note: Note): void;
  /** Hints of other instances, never of this one. */
  onHint(listener: (hint: Hint) => void): () => void;
  /** Hints may have been missed: compare with the tables once. */
  onMissed(listener: () => void): () => void;
  /** The peers' last numbers as of their last beats. */
  compare(numbers: ReadonlyMap<Uuid, number>): void;
  close(): Promise<void>;
}

/** What carries hints. It may lose, delay and repeat them. */
export interface HintTransport {
  /** Settles when the hint is out of our hands; rejects when it may be lost. */
  send(hint: Hint): Promise<void>;
  /** Hints of all instances, this one's perhaps too. */
  onHint(listener: (hint: Hint) => void): () => void;
  /** The transport came (back) up: what was sent meanwhile may be lost. */
  onOpened(listener: () => void): () => void;
  /** Something was lost without a visible reason: is the connection still one? */
  probe(): void;
  close(): Promise<void>;
}

export interface BusOptions {
  /** Asked for each hint: an instance that was declared lost goes on under another id. */
  instanceId: () => Uuid;
  transport: HintTransport;
  /** Called with the last number that was sent or given up, for the beat row. */
  onNumber?: (n: number) => void;
  onError?: (error: unknown) => void;
}

export function createBus(options: BusOptions): Bus {
  const hintListeners = new Set<(hint: Hint) => void>();
  const missedListeners = new Set<() => void>();
  const hearing = new Hearing();
  const own = new Set<Uuid>();
  const sender = createSender(options, own);
  const tellMissed = () => {
    for (const listener of missedListeners) listener();
  };
  const stopHints = options.transport.onHint((hint) => {
    if (own.has(hint.instanceId)) return;
    const missed = hearing.hear(hint.instanceId, hint.n);
    for (const listener of hintListeners) listener(hint);
    if (missed) tellMissed();
  });
  const stopOpened = options.transport.onOpened(() => {
    sender.opened();
    tellMissed();
  });
  return {
    publish: (note) => sender.publish(note),
    onHint: (listener) => subscribe(hintListeners, listener),
    onMissed: (listener) => subscribe(missedListeners, listener),
    compare(numbers) {
      if (!hearing.compare(numbers)) return;
      options.transport.probe();
      tellMissed();
    },
    async close() {
      stopHints();
      stopOpened();
      await sender.close();
      await options.transport.close();
    },
  };
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** One hint on its way at a time, so that numbers arrive in order. */
function createSender({ instanceId, transport, onNumber, onError }: BusOptions, own: Set<Uuid>) {
  const pending = new PendingNotes();
  let n = 0;
  let failed = false;
  let closed = false;
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    await Promise.resolve(); // what is published in the same tick goes together
    while (!pending.empty) {
      for (const body of pending.take()) await sendOne(body);
    }
    running = null;
  }

  async function sendOne(body: HintBody): Promise<void> {
    const id = instanceId();
    own.add(id);
    n += 1;
    try {
      await transport.send({ instanceId: id, n, ...body });
    } catch (error) {
      failed = true; // the number is used up: the others see the gap
      if (!closed) onError?.(error);
    }
    onNumber?.(n);
  }

  const publish = (note: Note): void => {
    if (closed) return;
    pending.add(note);
    running ??= run();
  };

  return {
    publish,
    /** Lets the others see the gap at once. */
    opened() {
      if (!failed) return;
      failed = false;
      publish({});
    },
    async close() {
      closed = true;
      await running;
    },
  };
}
