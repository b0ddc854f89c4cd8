import type { Pool, Uuid } from '@everruns/contract';

/** What an instance tells the others after a commit. The tables are the truth: whoever misses a note finds the same there. */
export interface Note {
  /** Sessions whose log has moved, or that are gone. */
  sessions?: readonly Uuid[];
  /** Pools in which tasks became ready. */
  pools?: readonly Pool[];
  /** Open text was written for these sessions; `through` is the number of this instance's last row. */
  text?: { through: number; sessions: readonly Uuid[] };
}

/** A note on its way: numbered per instance from 1, without gaps, in the order of sending. */
export interface Hint {
  instanceId: Uuid;
  n: number;
  sessions: readonly Uuid[];
  pools: readonly Pool[];
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

/** Session ids in one hint: 22 characters and 3 of punctuation each, far enough below the 8,000 bytes of a notification. */
export const MAX_IDS_PER_HINT = 300;

/** Notes that wait to be sent, merged. */
export class PendingNotes {
  #sessions = new Set<Uuid>();
  #pools = new Set<Pool>();
  #textSessions = new Set<Uuid>();
  #through = 0;
  #hello = false;

  get empty(): boolean {
    return !this.#hello && this.#sessions.size === 0 && this.#pools.size === 0 && this.#textSessions.size === 0;
  }

  /** An empty note is sent too: it says that this instance is there, and what its last number is. */
  add(note: Note): void {
    this.#hello = true;
    for (const id of note.sessions ?? []) this.#sessions.add(id);
    for (const pool of note.pools ?? []) this.#pools.add(pool);
    if (note.text === undefined) return;
    for (const id of note.text.sessions) this.#textSessions.add(id);
    this.#through = Math.max(this.#through, note.text.through);
  }

  take(maxIds: number = MAX_IDS_PER_HINT): HintBody[] {
    const pools = [...this.#pools];
    const bodies = split([...this.#sessions], [...this.#textSessions], { through: this.#through, maxIds });
    this.#sessions = new Set();
    this.#pools = new Set();
    this.#textSessions = new Set();
    this.#hello = false;
    return bodies.map((body, index) => (index === 0 ? { ...body, pools } : body));
  }
}

function split(sessions: Uuid[], textSessions: Uuid[], at: { through: number; maxIds: number }): HintBody[] {
  const textHint = (ids: Uuid[], partial: boolean): TextHint | null =>
    ids.length === 0 ? null : { through: at.through, sessions: ids, partial };
  if (sessions.length + textSessions.length <= at.maxIds) return [{ sessions, pools: [], text: textHint(textSessions, false) }];
  const bodies: HintBody[] = [];
  for (let i = 0; i < sessions.length; i += at.maxIds) bodies.push({ sessions: sessions.slice(i, i + at.maxIds), pools: [], text: null });
  for (let i = 0; i < textSessions.length; i += at.maxIds) {
    const end = i + at.maxIds;
    bodies.push({ sessions: [], pools: [], text: textHint(textSessions.slice(i, end), end < textSessions.length) });
  }
  return bodies;
}
