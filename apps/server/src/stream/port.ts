import type { DurableEvent, Pool, TextStream, Uuid } from '@everruns/contract';

/** New text of an open message, as the instance that holds the writing worker's stream receives it. */
export interface TextDelta {
  sessionId: Uuid;
  turnId: Uuid;
  messageId: Uuid;
  attempt: number;
  stream: TextStream;
  /** UTF-16 units of this attempt's text before `text`. */
  offset: number;
  text: string;
  /** Sequence of the `...started` event of this text; it is committed before the first delta is handed over. */
  startedSequence: number;
}

/** What the engine tells the streams after each commit, from memory; a hint, the table is the truth. */
export interface CommitFeed {
  committed(sessionId: Uuid, events: readonly DurableEvent[]): void;
  delta(delta: TextDelta): void;
}

/** Wake-ups between instances. Sent after commit, coalesced, and only when another instance lives. */
export interface ReadyHints {
  /** Tasks became ready in these pools; this instance has been told already. */
  announce(pools: readonly Pool[]): void;
  /** Another instance announced tasks, or hints may have been lost: look once. */
  onReady(listener: (pools: readonly Pool[]) => void): () => void;
}

/** The other instances, as the beat loop sees them. */
export interface Peers {
  readonly instanceId: Uuid;
  /** True when no other instance is alive. */
  alone(): boolean;
  /** Called when an instance appeared, was lost, or beats were missed: streams compare what they have with the log once. */
  onResync(listener: () => void): () => void;
  /** The last hint number of this instance, written with the next beat. */
  setHintNumber(n: number): void;
  /** Last hint numbers of the live peers as of the last beat. */
  hintNumbers(): ReadonlyMap<Uuid, number>;
}
