import type { Bus, TextHint } from '@everruns/bus';
import type { Uuid } from '@everruns/contract';
import type { TextExtent, TextMark, TextPiece, TextRow } from '@everruns/storage';
import type { Hub } from './hub.ts';
import { piecesOf } from './live-outputs.ts';
import type { OutputPiece } from './live-outputs.ts';
import { endsTexts } from './live-texts.ts';
import type { LiveText, Piece } from './live-texts.ts';
import type { TextTable } from './log-port.ts';
import type { Peers } from './port.ts';

/** A session's text is read again from the table at most this often. */
const REREAD_MS = 1_000;
const RETRY_MS = 250;
const CLOSE_MS = 1_000;
/** The end of a call waits no longer for what it printed last; the commit of a database that is slower than this waits as long itself. */
const OUTPUT_WRITTEN_MS = 250;

export interface TextRelayDeps {
  table: TextTable;
  bus: Pick<Bus, 'publish'>;
  hub: Hub;
  peers: Peers;
  flushMs: number;
  nowMs: () => number;
  after: (delayMs: number, callback: () => void) => () => void;
  onError: (error: unknown) => void;
}

/**
 * Carries open text between instances through the database (core.md W10). The instance that a worker streams to writes what is new every
 * few milliseconds, while others live; the others read it when a hint names a session that is watched there. Text is only ever a preview:
 * the completed event has all of it.
 */
export class TextRelay {
  readonly #deps: TextRelayDeps;
  #pending = new Map<string, Piece | OutputPiece>();
  #n = 0;
  #marked: Uuid | null = null;
  #flushing: Promise<void> | null = null;
  #cancelFlush: (() => void) | null = null;
  #closed = false;
  readonly #cursors = new Map<Uuid, number>();
  readonly #wanted = new Map<Uuid, Set<Uuid>>();
  #reading = false;
  /** Sessions whose text is being read, and the read. */
  #beingRead: ReadonlySet<Uuid> = new Set();
  #read: Promise<void> = Promise.resolve();
  readonly #rereadAtMs = new Map<Uuid, number>();
  /** Sessions in whose texts something is missing, and that were read again only a moment ago. */
  readonly #holes = new Map<Uuid, () => void>();
  readonly #wholeReads = new Set<{ sessions: ReadonlySet<Uuid>; done: Promise<void> }>();

  constructor(deps: TextRelayDeps) {
    this.#deps = deps;
  }

  /** New text from a worker of this instance. */
  relay(piece: Piece): void {
    if (this.#deps.hub.text(piece) === 'gap') this.#reread([piece.sessionId]);
    if (!this.#deps.peers.alone()) this.#enqueue(piece);
  }

  /** The same of what a tool prints. */
  relayOutput(piece: OutputPiece): void {
    if (this.#deps.hub.output(piece) === 'gap') this.#reread([piece.sessionId]);
    if (!this.#deps.peers.alone()) this.#enqueue(piece);
  }

  /** What calls of the session have printed is where others find it, before they hear that a call is over; not waited for for long. */
  async outputWritten(sessionId: Uuid): Promise<void> {
    const waits = (): boolean => [...this.#pending.values()].some((piece) => piece.stream === 'tool' && piece.sessionId === sessionId);
    const write = async (): Promise<void> => {
      await this.#flushing;
      if (waits() && this.#flushing === null && !this.#closed) await this.#flushNow();
    };
    if (!waits() && this.#flushing === null) return;
    let stop: () => void = () => undefined;
    const timeUp = new Promise<void>((resolve) => (stop = this.#deps.after(OUTPUT_WRITTEN_MS, resolve)));
    await Promise.race([write(), timeUp]);
    stop();
  }

  /** An event of the log ends texts: what of them has not been written never will be. */
  ended(sessionId: Uuid, mark: TextMark): void {
    for (const [key, piece] of this.#pending) {
      if (piece.stream === 'tool') continue; // the event that ends a call may come before what was printed last is read
      if (piece.sessionId === sessionId && piece.startedSequence < mark.sequence && endsTexts(mark, piece.stream, piece))
        this.#pending.delete(key);
    }
  }

  /** Others appeared, or what was written is gone: they need all that is open here. */
  writeAll(): void {
    if (this.#deps.peers.alone()) return;
    const { texts, outputs } = this.#deps.hub;
    for (const text of texts.all()) if (text.relayed) this.#enqueue(wholeOf(text));
    for (const output of outputs.all())
      if (output.relayed && output.overAt === null) for (const piece of piecesOf(output)) this.#enqueue(piece);
  }

  /** Another instance wrote text. */
  hinted(instanceId: Uuid, text: TextHint): void {
    const watched = text.sessions.filter((id) => this.#deps.hub.isWatched(id));
    if (watched.length > 0) {
      this.#want(instanceId, watched);
      void this.#readNew();
      return;
    }
    // None of these rows is needed here, so the next read may begin after them.
    if (!text.partial && !this.#reading) this.#cursors.set(instanceId, Math.max(text.through, this.#cursors.get(instanceId) ?? 0));
  }

  /** Settles when the text of these sessions that others have told of is here; null when there is none on its way. */
  arriving(sessionIds: readonly Uuid[]): Promise<void> | null {
    const underWay = (): Promise<void>[] => {
      const holed = sessionIds.filter((id) => this.#holes.has(id));
      if (holed.length > 0) this.#fill(holed);
      const isNewRead = sessionIds.some((id) => this.#beingRead.has(id) || [...this.#wanted.values()].some((wanted) => wanted.has(id)));
      const whole = [...this.#wholeReads].filter(({ sessions }) => sessionIds.some((id) => sessions.has(id)));
      return [...(this.#reading && isNewRead ? [this.#read] : []), ...whole.map(({ done }) => done)];
    };
    const first = underWay();
    if (first.length === 0) return null;
    return (async () => {
      for (let reads = first; reads.length > 0; reads = underWay()) await Promise.all(reads);
    })();
  }

  /** Reads all open text of sessions: their first stream here has come, or something was missed. */
  async readSessions(sessionIds: readonly Uuid[], extent: TextExtent = 'open'): Promise<void> {
    const read = { sessions: new Set(sessionIds), done: this.#readWhole(sessionIds, extent) };
    this.#wholeReads.add(read);
    await read.done;
    this.#wholeReads.delete(read);
  }

  async #readWhole(sessionIds: readonly Uuid[], extent: TextExtent): Promise<void> {
    try {
      for (const piece of await this.#deps.table.readSessions(sessionIds, extent)) this.#take(piece);
    } catch (error) {
      this.#deps.onError(error);
    }
  }

  /** Does not wait for a database that is away: what is left in the tables harms nobody. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelFlush?.();
    for (const cancel of this.#holes.values()) cancel();
    const timeUp = new Promise<void>((resolve) => void this.#deps.after(CLOSE_MS, resolve));
    await Promise.race([this.#finish(), timeUp]);
  }

  async #finish(): Promise<void> {
    await this.#flushing;
    if (this.#marked !== null) await this.#deps.table.unmark(this.#marked).catch(this.#deps.onError);
  }

  #enqueue(piece: Piece | OutputPiece): void {
    if (this.#closed) return;
    const key = `${piece.sessionId}:${piece.stream}:${piece.startedSequence}`;
    const before = this.#pending.get(key);
    // What tools print has been put together by their worker, and the end of the call may follow at once.
    if (piece.stream === 'tool') this.#pending.set(`${key}:${piece.offset}`, piece);
    else this.#pending.set(key, before === undefined || before.stream === 'tool' ? piece : merged(before, piece));
    this.#flushIn(piece.stream === 'tool' ? 0 : this.#deps.flushMs);
  }

  #flushIn(delayMs: number): void {
    if (this.#cancelFlush !== null || this.#flushing !== null || this.#closed) return;
    this.#cancelFlush = this.#deps.after(delayMs, () => void this.#flushNow());
  }

  #flushNow(): Promise<void> {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = null;
      if (this.#pending.size > 0) this.#flushIn(this.#deps.flushMs);
    });
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    const { table, bus, peers, onError } = this.#deps;
    const instanceId = peers.instanceId;
    const pieces = [...this.#pending.values()];
    if (pieces.length === 0) return;
    this.#pending = new Map();
    try {
      if (this.#marked !== instanceId) await table.mark(instanceId);
      this.#marked = instanceId;
      const kept = await table.write(
        instanceId,
        pieces.map((piece): TextRow => ({ ...rowOf(piece), n: ++this.#n })),
      );
      bus.publish({ text: { through: this.#n, sessions: [...new Set(pieces.map((piece) => piece.sessionId))] } });
      if (kept) return;
      // The tables were emptied by a crash of the database: the text from before is gone.
      this.#marked = null;
      this.writeAll();
    } catch (error) {
      onError(error);
      this.#deps.after(RETRY_MS, () => this.writeAll());
    }
  }

  #want(instanceId: Uuid, sessionIds: Iterable<Uuid>): void {
    const wanted = this.#wanted.get(instanceId) ?? new Set();
    for (const id of sessionIds) wanted.add(id);
    this.#wanted.set(instanceId, wanted);
  }

  async #readNew(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    while (this.#wanted.size > 0) await (this.#read = this.#readWanted());
    this.#reading = false;
  }

  async #readWanted(): Promise<void> {
    const cursors = new Map([...this.#wanted.keys()].map((id) => [id, this.#cursors.get(id) ?? 0]));
    const sessions = new Set([...this.#wanted.values()].flatMap((ids) => [...ids]));
    this.#wanted.clear();
    this.#beingRead = sessions;
    try {
      const { pieces, through, more } = await this.#deps.table.readNew(cursors, [...sessions]);
      for (const [id, n] of through) this.#cursors.set(id, Math.max(n, this.#cursors.get(id) ?? 0));
      const holes = pieces.filter((piece) => this.#take(piece) === 'gap').map((piece) => piece.sessionId);
      this.#reread(holes);
      if (more) for (const id of cursors.keys()) this.#want(id, sessions);
    } catch (error) {
      this.#deps.onError(error); // the connection that LISTENs breaks too, and coming back it reads all again
    }
    this.#beingRead = new Set();
  }

  /** Something is missing in these texts: they are read again, once the last time is long enough ago. */
  #reread(sessionIds: readonly Uuid[]): void {
    const { hub, nowMs, after } = this.#deps;
    const now = nowMs();
    const due: Uuid[] = [];
    for (const id of new Set(sessionIds)) {
      if (this.#closed || !hub.isWatched(id) || this.#holes.has(id)) continue;
      const waitMs = (this.#rereadAtMs.get(id) ?? Number.NEGATIVE_INFINITY) + REREAD_MS - now;
      if (waitMs <= 0) due.push(id);
      else
        this.#holes.set(
          id,
          after(waitMs, () => this.#fill([id])),
        );
    }
    if (due.length > 0) this.#fill(due);
  }

  #fill(sessionIds: readonly Uuid[]): void {
    const now = this.#deps.nowMs();
    for (const [id, atMs] of this.#rereadAtMs) if (now - atMs >= REREAD_MS) this.#rereadAtMs.delete(id);
    for (const id of sessionIds) {
      this.#holes.get(id)?.();
      this.#holes.delete(id);
      this.#rereadAtMs.set(id, now);
    }
    if (!this.#closed) void this.readSessions(sessionIds, 'printed');
  }

  #take(piece: TextPiece): ReturnType<Hub['text']> {
    const { stream, messageId, call } = piece;
    if (stream !== 'tool') return messageId === null ? 'stale' : this.#deps.hub.text({ ...piece, stream, messageId });
    if (call === null || (piece.overAt !== null && !this.#deps.hub.hasFollowed(piece.sessionId, piece.overAt))) return 'stale';
    return this.#deps.hub.output({ ...piece, stream, callId: call.id, toolName: call.name, channel: call.channel });
  }
}

function rowOf(piece: Piece | OutputPiece): Omit<TextRow, 'n'> {
  if (piece.stream !== 'tool') return { ...piece, call: null };
  const { callId, toolName, channel, ...rest } = piece;
  return { ...rest, messageId: null, call: { id: callId, name: toolName, channel } };
}

function wholeOf({ sessionId, stream, messageId, turnId, attempt, startedSequence, text }: LiveText): Piece {
  return { sessionId, stream, messageId, turnId, attempt, startedSequence, offset: 0, text };
}

/** Two pieces of one text as one; with a hole between them the newer one, readers ask for what is missing. */
function merged(before: Piece, piece: Piece): Piece {
  const [first, second] = before.offset <= piece.offset ? [before, piece] : [piece, before];
  const overlap = first.offset + first.text.length - second.offset;
  if (overlap < 0) return piece;
  return { ...first, text: first.text + second.text.slice(overlap) };
}
