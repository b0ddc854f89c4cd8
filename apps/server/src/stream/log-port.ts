import type { Uuid } from '@everruns/contract';
import type { CatchUp, EventRow, NewText, PageLimits, StreamStart, TextExtent, TextPiece, TextRow } from '@everruns/storage';

/** The log as the streams read it. */
export interface LogReader {
  start(at: { sessionId: Uuid; orgId: Uuid; after: number | null; live: boolean }): Promise<StreamStart | null>;
  /** What follows a sequence, without gaps; empty at the end and when the session is gone. */
  page(at: { sessionId: Uuid; orgId: Uuid; after: number }, limits: PageLimits): Promise<EventRow[]>;
  /** The same for many sessions at once; those that are gone are missing in the answer. */
  catchUp(sessions: readonly { sessionId: Uuid; orgId: Uuid; after: number }[], limits: PageLimits): Promise<Map<Uuid, CatchUp>>;
  lastSequences(sessionIds: readonly Uuid[]): Promise<Map<Uuid, number>>;
}

/** Where instances leave the text of open messages for each other. */
export interface TextTable {
  /** False when the table was emptied since `mark`: everything that is open has to be written again. */
  write(instanceId: Uuid, rows: readonly TextRow[]): Promise<boolean>;
  mark(instanceId: Uuid): Promise<void>;
  unmark(instanceId: Uuid): Promise<void>;
  /** What the instances of `cursors` wrote after these numbers, for these sessions. */
  readNew(cursors: ReadonlyMap<Uuid, number>, sessionIds: readonly Uuid[]): Promise<NewText>;
  readSessions(sessionIds: readonly Uuid[], extent: TextExtent): Promise<TextPiece[]>;
  /** Clears away text that nobody needs; true when it did. */
  truncateOlder(): Promise<boolean>;
}
