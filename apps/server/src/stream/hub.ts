import type { DurableEvent, Uuid } from '@everruns/contract';
import type { TextMark } from '@everruns/storage';
import { createHubSession } from './hub-session.ts';
import type { HubSession, Watcher } from './hub-session.ts';
import type { LiveOutputs, OutputPiece } from './live-outputs.ts';
import type { Appended, LiveTexts, Piece } from './live-texts.ts';
import { LogEntry } from './log-entry.ts';
import type { LogReader } from './log-port.ts';

/** One read of the log that serves many sessions: at most so many of them, so many events and bytes of each. */
const CATCH_UP_SESSIONS = 64;
const CATCH_UP_LIMITS = { rows: 200, bytes: 262_144 };
const RESYNC_SESSIONS = 1_000;
const RETRY_FIRST_MS = 50;
const RETRY_CAP_MS = 2_000;
/** The end of a call waits no longer for what it printed last. */
const PRINTED_MS = 250;

export interface HubDeps {
  log: LogReader;
  texts: LiveTexts;
  outputs: LiveOutputs;
  ringEvents: number;
  ringBytes: number;
  /** Runs something soon, after the caller is done: commits never wait for streams. */
  defer: (work: () => void) => void;
  after: (delayMs: number, callback: () => void) => () => void;
  /** Settles when the text of sessions that other instances have told of is here; null when there is none on its way. */
  arriving: (sessionIds: readonly Uuid[]) => Promise<void> | null;
  /** An event ends open texts of a session. */
  onMark: (sessionId: Uuid, mark: TextMark) => void;
  onError: (error: unknown) => void;
}

/** What a follower finds after the last event it served. `behind`: in the database only; `waiting`: a read is under way. */
export type Pulled = LogEntry | 'caught_up' | 'behind' | 'waiting';

/**
 * The sessions that are watched on this instance. Commits of this process feed it from memory, hints of others make it read; streams pull
 * from it. An event only ever follows the one before it.
 */
export class Hub {
  readonly texts: LiveTexts;
  readonly outputs: LiveOutputs;
  readonly #deps: HubDeps;
  readonly #sessions = new Map<Uuid, HubSession>();
  readonly #awake = new Set<HubSession>();
  readonly #stale = new Set<HubSession>();
  #catchingUp = false;
  #closed = false;

  constructor(deps: HubDeps) {
    this.#deps = deps;
    this.texts = deps.texts;
    this.outputs = deps.outputs;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get ringBytes(): number {
    let bytes = 0;
    for (const session of this.#sessions.values()) bytes += session.ring.bytes;
    return bytes;
  }

  isWatched(sessionId: Uuid): boolean {
    return this.#sessions.has(sessionId);
  }

  /** Has this instance seen every event of the session since this one? Then it knows which calls have ended. */
  hasFollowed(sessionId: Uuid, sequence: number): boolean {
    const { begunAt = null } = this.#sessions.get(sessionId) ?? {};
    return begunAt !== null && sequence > begunAt;
  }

  watchedIds(): Uuid[] {
    return [...this.#sessions.keys()];
  }

  /** From here on nothing of the session is missed; `begin` says where it stands. */
  watch(sessionId: Uuid, orgId: Uuid, watcher: Watcher): HubSession {
    let session = this.#sessions.get(sessionId);
    if (session === undefined) {
      session = createHubSession(sessionId, orgId, this.#deps);
      this.#sessions.set(sessionId, session);
      this.texts.hold(sessionId);
      this.outputs.hold(sessionId);
    }
    session.watchers.add(watcher);
    return session;
  }

  /** The log had this last sequence when it was looked at, after `watch`. */
  begin(session: HubSession, lastSequence: number): void {
    this.#appended(session, session.begin(lastSequence));
    if (session.behind) this.#read(session);
  }

  unwatch(session: HubSession, watcher: Watcher): void {
    session.watchers.delete(watcher);
    if (session.watchers.size > 0 || this.#sessions.get(session.id) !== session) return;
    this.#sessions.delete(session.id);
    this.#stale.delete(session);
    this.#release(session.id);
  }

  pull(session: HubSession, served: number): Pulled {
    const { position } = session;
    if (position === null) return 'waiting';
    if (served < position) return session.ring.get(served + 1) ?? 'behind';
    return served === position && !session.behind ? 'caught_up' : 'waiting';
  }

  committed(sessionId: Uuid, events: readonly DurableEvent[]): void {
    const session = this.#sessions.get(sessionId);
    const entries = events.map((event) => LogEntry.fromEvent(event));
    if (session !== undefined) this.#appended(session, session.add(entries));
    this.#applyMarks(sessionId, entries);
    if (session === undefined) this.#release(sessionId);
    // Commits of one session may be told out of order; what is still missing after this tick is read.
    if (session?.behind === true) this.#deps.defer(() => session.behind && this.#read(session));
  }

  text(piece: Piece): Appended {
    const appended = this.texts.append(piece);
    const session = this.#sessions.get(piece.sessionId);
    if (appended === 'appended' && session !== undefined) this.#wake(session);
    return appended;
  }

  output(piece: OutputPiece): Appended {
    const appended = this.outputs.append(piece);
    const session = this.#sessions.get(piece.sessionId);
    if (appended === 'appended' && session !== undefined) this.#wake(session);
    return appended;
  }

  /** Another instance says that these logs have moved. */
  hinted(sessionIds: readonly Uuid[]): void {
    for (const id of sessionIds) {
      const session = this.#sessions.get(id);
      if (session === undefined) continue;
      session.stale = true;
      this.#read(session);
    }
  }

  /** Compares what is watched with the log, once. */
  async resync(): Promise<void> {
    const ids = this.watchedIds();
    for (let i = 0; i < ids.length; i += RESYNC_SESSIONS) {
      const part = ids.slice(i, i + RESYNC_SESSIONS);
      const ends = await this.#deps.log.lastSequences(part);
      for (const id of part) this.#compare(id, ends.get(id));
    }
  }

  #compare(sessionId: Uuid, end: number | undefined): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.position === null) return;
    if (end === undefined) return this.deleted(sessionId);
    session.known = Math.max(session.known, end);
    if (session.behind) this.#read(session);
  }

  deleted(sessionId: Uuid): void {
    const session = this.#sessions.get(sessionId);
    this.texts.forget(sessionId);
    this.outputs.forget(sessionId);
    if (session === undefined) return;
    this.#sessions.delete(sessionId);
    this.#stale.delete(session);
    for (const watcher of session.watchers) watcher.gone();
  }

  /** Lets go of events that nobody has asked for since the last sweep. */
  sweep(): void {
    for (const session of this.#sessions.values()) {
      if (session.quiet && session.ring.bytes > 0) session.ring.clear();
      session.quiet = true;
    }
  }

  close(): void {
    this.#closed = true;
    this.#stale.clear();
  }

  #appended(session: HubSession, entries: readonly LogEntry[]): void {
    if (entries.length === 0) return;
    this.#applyMarks(session.id, entries);
    this.#wake(session);
  }

  #release(sessionId: Uuid): void {
    this.texts.release(sessionId);
    this.outputs.release(sessionId);
  }

  #applyMarks(sessionId: Uuid, entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      this.outputs.apply(sessionId, entry);
      const { mark } = entry;
      if (mark === null) continue;
      this.texts.apply(sessionId, mark);
      this.#deps.onMark(sessionId, mark);
    }
  }

  #wake(session: HubSession): void {
    if (this.#awake.size === 0) this.#deps.defer(() => this.#wakeAll());
    this.#awake.add(session);
  }

  #wakeAll(): void {
    const sessions = [...this.#awake];
    this.#awake.clear();
    for (const session of sessions) for (const watcher of session.watchers) watcher.wake();
  }

  #read(session: HubSession): void {
    if (session.position === null || this.#closed) return; // `begin` comes back to it
    this.#stale.add(session);
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    void this.#catchUp();
  }

  async #catchUp(): Promise<void> {
    for (let retryMs = RETRY_FIRST_MS; this.#stale.size > 0 && !this.#closed;) {
      const batch = [...this.#stale].slice(0, CATCH_UP_SESSIONS);
      for (const session of batch) {
        this.#stale.delete(session);
        session.stale = false;
      }
      try {
        await this.#readBatch(batch);
        retryMs = RETRY_FIRST_MS;
      } catch (error) {
        this.#deps.onError(error);
        for (const session of batch) if (this.#sessions.get(session.id) === session) this.#stale.add(session);
        const pauseMs = retryMs;
        retryMs = Math.min(retryMs * 2, RETRY_CAP_MS);
        await new Promise<void>((resolve) => void this.#deps.after(pauseMs, resolve));
      }
    }
    this.#catchingUp = false;
  }

  async #readBatch(batch: readonly HubSession[]): Promise<void> {
    const asked = batch.map(({ id, orgId, position }) => ({ sessionId: id, orgId, after: position as number }));
    const found = await this.#deps.log.catchUp(asked, CATCH_UP_LIMITS);
    await this.#printed(found);
    for (const [index, session] of batch.entries()) {
      if (this.#sessions.get(session.id) !== session) continue;
      const answer = found.get(session.id);
      if (answer === undefined) {
        this.deleted(session.id);
        continue;
      }
      session.known = Math.max(session.known, answer.lastSequence);
      this.#appended(session, session.add(answer.events.map((row) => LogEntry.fromRow(row))));
      if (session.position === asked[index]?.after && session.position < answer.lastSequence) this.#skip(session, answer.lastSequence);
      if (session.behind) this.#stale.add(session);
      else this.#wake(session); // whoever waited for this read may be caught up now
    }
  }

  /**
   * Another instance writes what a call printed last, and tells of it, before the call is over; but reading it may take longer than reading the log.
   * It comes first, or it would never be shown.
   */
  async #printed(found: Awaited<ReturnType<LogReader['catchUp']>>): Promise<void> {
    const ending = [...found].filter(([, { events }]) => events.some(({ type }) => type === 'tool.completed')).map(([id]) => id);
    const arriving = ending.length === 0 ? null : this.#deps.arriving(ending);
    if (arriving === null) return;
    let stop: () => void = () => undefined;
    const timeUp = new Promise<void>((resolve) => (stop = this.#deps.after(PRINTED_MS, resolve)));
    await Promise.race([arriving, timeUp]);
    stop();
  }

  /** What follows our position has been removed from the log: streams find out by themselves that they can't go on. */
  #skip(session: HubSession, lastSequence: number): void {
    session.ring.clear();
    session.position = lastSequence;
    session.begunAt = lastSequence;
    this.#wake(session);
  }
}
