import type { Pool, Uuid } from '@everruns/contract';

/** What an instance tells the others after a commit. The tables are the truth: whoever misses a note finds the same there. */
export interface Note {
  /** Sessions whose log has moved, or that are gone. */
  sessions?: readonly Uuid[];
  /** Pools in which tasks became ready. */
  pools?: readonly Pool[];
  /** Tokens of leases that a cancel took away from their holders. */
  cancelled?: readonly Uuid[];
  /** Keys of the circuit breakers that opened. */
  opened?: readonly string[];
  /** Open text was written for these sessions; `through` is the number of this instance's last row. */
  text?: { through: number; sessions: readonly Uuid[] };
}

/** A note on its way: numbered per instance from 1, without gaps, in the order of sending. */
export interface Hint {
  instanceId: Uuid;
  n: number;
  sessions: readonly Uuid[];
  pools: readonly Pool[];
  cancelled: readonly Uuid[];
  opened: readonly string[];
  text: TextHint | null;
}

export interface TextHint {
  through: number;
  sessions: readonly Uuid[];
  /** More hints about the rows up to `through` follow. */
  partial: boolean;
}

/** A hint without its number and sender. */
export type HintBody = Omit<Hint, 'instanceId' | 'n'>;

/** Ids in one hint: 22 characters and 3 of punctuation each, far enough below the 8,000 bytes of a notification. */
export const MAX_IDS_PER_HINT = 300;

/** Notes that wait to be sent, merged. */
export class PendingNotes {
  #sessions = new Set<Uuid>();
  #pools = new Set<Pool>();
  #cancelled = new Set<Uuid>();
  #opened = new Set<string>();
  #textSessions = new Set<Uuid>();
  #through = 0;
  #waiting = false;

  get empty(): boolean {
    return !this.#waiting;
  }

  /** An empty note is sent too: it says that this instance is there, and what its last number is. */
  add(note: Note): void {
    this.#waiting = true;
    for (const id of note.sessions ?? []) this.#sessions.add(id);
    for (const pool of note.pools ?? []) this.#pools.add(pool);
    for (const token of note.cancelled ?? []) this.#cancelled.add(token);
    for (const key of note.opened ?? []) this.#opened.add(key);
    if (note.text === undefined) return;
    for (const id of note.text.sessions) this.#textSessions.add(id);
    this.#through = Math.max(this.#through, note.text.through);
  }

  /** Everything that waits, in as few hints as its ids need. */
  take(maxIds: number = MAX_IDS_PER_HINT): HintBody[] {
    const sessions = [...this.#sessions];
    const cancelled = [...this.#cancelled];
    const textSessions = [...this.#textSessions];
    const pools = [...this.#pools];
    const opened = [...this.#opened];
    const text = { through: this.#through, sessions: textSessions, partial: false };
    this.#sessions = new Set();
    this.#pools = new Set();
    this.#cancelled = new Set();
    this.#opened = new Set();
    this.#textSessions = new Set();
    this.#waiting = false;
    if (sessions.length + cancelled.length + 2 * opened.length + textSessions.length <= maxIds) {
      return [{ sessions, pools, cancelled, opened, text: textSessions.length === 0 ? null : text }];
    }
    return [
      { ...EMPTY, pools },
      ...chunks(opened, Math.ceil(maxIds / 2)).map((part) => ({ ...EMPTY, opened: part })),
      ...chunks(sessions, maxIds).map((part) => ({ ...EMPTY, sessions: part })),
      ...chunks(cancelled, maxIds).map((part) => ({ ...EMPTY, cancelled: part })),
      ...chunks(textSessions, maxIds).map((part, index, all) => {
        return { ...EMPTY, text: { ...text, sessions: part, partial: index < all.length - 1 } };
      }),
    ];
  }
}

const EMPTY: HintBody = { sessions: [], pools: [], cancelled: [], opened: [], text: null };

function chunks<T>(values: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < values.length; i += size) parts.push(values.slice(i, i + size));
  return parts;
}
