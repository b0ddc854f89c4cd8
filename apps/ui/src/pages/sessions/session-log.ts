import type { SessionEvent } from '@everruns/client';
import { NOTHING_YET } from './conversation-types.ts';
import type { Conversation } from './conversation-types.ts';
import { applyEvents, withOlder } from './conversation.ts';

/** What of a session is known at a moment; every change is another object. */
export interface Snapshot {
  conversation: Conversation;
  /** The stored events that are loaded, in order. */
  events: readonly SessionEvent[];
  /** The newest ones are there. */
  isLoaded: boolean;
  hasOlder: boolean;
  isLoadingOlder: boolean;
  connection: 'opening' | 'live' | 'lost';
  error: unknown;
}

export interface LogSource {
  /** The last `limit` stored events before a sequence, the oldest first. */
  page(before: number | null, limit: number): Promise<SessionEvent[]>;
  follow(afterSequence: number, options: { signal: AbortSignal; onReconnect: () => void }): AsyncIterable<SessionEvent>;
}

/** How many events the first page has: a few screens of conversation. */
const FIRST_PAGE = 200;
/** A connection that is taken up again sooner than this was never lost to anybody. */
const LOST_AFTER_MS = 2_000;

/**
 * The log of one session as it grows: the newest events first, older ones when they are asked for, new ones as they come. Whoever looks is
 * told at most once in a frame.
 */
export class SessionLog {
  readonly #source: LogSource;
  readonly #frame: (work: () => void) => void;
  readonly #listeners = new Set<() => void>();
  #waiting: SessionEvent[] = [];
  #isScheduled = false;
  #snapshot: Snapshot = {
    conversation: NOTHING_YET,
    events: [],
    isLoaded: false,
    hasOlder: false,
    isLoadingOlder: false,
    connection: 'opening',
    error: null,
  };

  constructor(source: LogSource, frame: (work: () => void) => void) {
    this.#source = source;
    this.#frame = frame;
  }

  readonly snapshot = (): Snapshot => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Loads and follows until the signal ends it. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      if (!this.#snapshot.isLoaded) await this.#loadNewest();
      await this.#follow(signal);
    } catch (error) {
      if (!signal.aborted) this.#set({ error });
    }
  }

  async loadOlder(limit = FIRST_PAGE): Promise<void> {
    const first = this.#snapshot.events[0]?.sequence;
    if (!this.#snapshot.hasOlder || this.#snapshot.isLoadingOlder || first === undefined) return;
    this.#set({ isLoadingOlder: true });
    try {
      const older = await this.#source.page(first, limit);
      const events = [...older, ...this.#snapshot.events];
      const conversation = withOlder(this.#snapshot.conversation, events);
      this.#set({ events, conversation, hasOlder: hasMoreBefore(older), isLoadingOlder: false });
    } catch (error) {
      this.#set({ isLoadingOlder: false, error });
    }
  }

  async #loadNewest(): Promise<void> {
    const events = await this.#source.page(null, FIRST_PAGE);
    this.#set({ events, conversation: applyEvents(NOTHING_YET, events), isLoaded: true, hasOlder: hasMoreBefore(events) });
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let lost: ReturnType<typeof setTimeout> | undefined;
    const onReconnect = (): void => {
      clearTimeout(lost);
      lost = setTimeout(() => this.#set({ connection: 'lost' }), LOST_AFTER_MS);
    };
    try {
      this.#set({ connection: 'live' });
      for await (const event of this.#source.follow(this.#snapshot.conversation.lastSequence, { signal, onReconnect })) {
        clearTimeout(lost);
        this.#take(event);
      }
    } finally {
      clearTimeout(lost);
    }
  }

  #take(event: SessionEvent): void {
    this.#waiting.push(event);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#frame(() => {
      this.#isScheduled = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      const { conversation, events } = this.#snapshot;
      const stored = waiting.filter(({ sequence }) => sequence !== undefined && sequence > conversation.lastSequence);
      this.#set({
        conversation: applyEvents(conversation, waiting),
        events: stored.length === 0 ? events : [...events, ...stored],
        connection: 'live',
      });
    });
  }

  #set(change: Partial<Snapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change };
    for (const listener of this.#listeners) listener();
  }
}

function hasMoreBefore(events: readonly SessionEvent[]): boolean {
  return (events[0]?.sequence ?? 1) > 1;
}
