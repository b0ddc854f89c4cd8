import type { DurableEvent, EventContext, Uuid } from '@everruns/contract';
import { durableEventId, toPublicId, TURN_END_TYPES } from '@everruns/contract';
import { foldTextMark, NO_OPEN_TEXTS } from '@everruns/storage';
import type { EventRow, NewText, OpenTexts, TextExtent, TextPiece, TextRow } from '@everruns/storage';
import { LogEntry } from '../log-entry.ts';
import type { LogReader, TextTable } from '../log-port.ts';

export type Draft = Pick<DurableEvent, 'type' | 'data'> & { context?: EventContext };

/** The log of a few sessions, with the guarantees of the real one: a commit appends, reads see whole commits. */
export class MemoryLog {
  readonly orgId: Uuid = '00000000-0000-0000-0000-000000000001';
  readonly #events = new Map<Uuid, DurableEvent[]>();
  readonly #date: () => Date;

  constructor(date: () => Date) {
    this.#date = date;
  }

  events(sessionId: Uuid): DurableEvent[] {
    return this.#events.get(sessionId) ?? [];
  }

  create(sessionId: Uuid): void {
    this.#events.set(sessionId, []);
  }

  remove(sessionId: Uuid): void {
    this.#events.delete(sessionId);
  }

  commit(sessionId: Uuid, drafts: readonly Draft[]): DurableEvent[] {
    const log = this.#events.get(sessionId) as DurableEvent[];
    const written = drafts.map((draft, index): DurableEvent => {
      const sequence = log.length + index + 1;
      const at = this.#date();
      return {
        id: durableEventId(sessionId, sequence, at.getTime(), sequence),
        type: draft.type,
        ts: at.toISOString(),
        session_id: toPublicId('session', sessionId),
        context: draft.context ?? {},
        data: draft.data,
        sequence,
      };
    });
    log.push(...written);
    return written;
  }

  /** The turn that runs, from the events; null when none does. */
  runningTurn(sessionId: Uuid): string | null {
    const last = this.events(sessionId).findLast((event) => event.type === 'turn.started' || isTurnEnd(event.type));
    return last?.type === 'turn.started' ? (last.context.turn_id ?? null) : null;
  }

  openTexts(sessionId: Uuid, through: number): OpenTexts {
    return this.events(sessionId)
      .slice(0, through)
      .flatMap((event) => LogEntry.fromEvent(event).mark ?? [])
      .reduce(foldTextMark, NO_OPEN_TEXTS);
  }

  /** Is the text that this event started still being written? */
  isOpen(sessionId: Uuid, startedSequence: number): boolean {
    const open = this.openTexts(sessionId, this.events(sessionId).length);
    if (open.output?.startedSequence === startedSequence || open.thinking?.startedSequence === startedSequence) return true;
    return this.#callAt(sessionId, startedSequence)?.overAt === null;
  }

  /** Has something printed that began with this event, and may be over by now? */
  hasPrinted(sessionId: Uuid, startedSequence: number): boolean {
    return this.#callAt(sessionId, startedSequence) !== null;
  }

  overAt(sessionId: Uuid, startedSequence: number): number | null {
    return this.#callAt(sessionId, startedSequence)?.overAt ?? null;
  }

  #callAt(sessionId: Uuid, sequence: number): { overAt: number | null } | null {
    const event = this.events(sessionId)[sequence - 1];
    if (event?.type !== 'tool.started') return null;
    const { id } = (event.data as { tool_call: { id: string } }).tool_call;
    const ends = (later: DurableEvent): boolean => later.type === 'tool.completed' && later.data['tool_call_id'] === id;
    return { overAt: this.events(sessionId).slice(sequence).find(ends)?.sequence ?? null };
  }

  /** The log as streams read it; `pause` comes before and after each read. */
  reader(pause: () => Promise<void>): LogReader {
    const read = async <T>(work: () => T): Promise<T> => {
      await pause();
      const answer = work();
      await pause();
      return answer;
    };
    return {
      start: ({ sessionId, after, live }) =>
        read(() => {
          const log = this.#events.get(sessionId);
          if (log === undefined) return null;
          const lastInput = log.findLast((event) => event.type === 'input.message')?.sequence ?? 1;
          const begin = live ? log.length : after === null || after > log.length ? lastInput - 1 : after;
          const running = this.runningTurn(sessionId) !== null;
          return { firstSequence: 1, lastSequence: log.length, running, after: begin, open: this.openTexts(sessionId, begin) };
        }),
      page: ({ sessionId, after }, { rows }) =>
        read(() =>
          this.events(sessionId)
            .slice(after, after + rows)
            .map(rowOf),
        ),
      catchUp: (sessions, { rows }) =>
        read(() => {
          const known = sessions.filter(({ sessionId }) => this.#events.has(sessionId));
          return new Map(
            known.map(({ sessionId, after }) => {
              const log = this.events(sessionId);
              return [sessionId, { lastSequence: log.length, events: log.slice(after, after + rows).map(rowOf) }];
            }),
          );
        }),
      lastSequences: (ids) => read(() => new Map(ids.filter((id) => this.#events.has(id)).map((id) => [id, this.events(id).length]))),
    };
  }
}

function isTurnEnd(type: string): boolean {
  return (TURN_END_TYPES as readonly string[]).includes(type);
}

function rowOf(event: DurableEvent): EventRow {
  return { sequence: event.sequence, type: event.type, id: event.id, json: JSON.stringify(event) };
}

type WrittenRow = TextRow & { instanceId: Uuid };

/** The text table, with the real one's behaviour in a crash: rows and markers are gone, nobody is told. */
export class MemoryTextTable {
  readonly #log: MemoryLog;
  #rows: WrittenRow[] = [];
  #markers = new Set<Uuid>();

  constructor(log: MemoryLog) {
    this.#log = log;
  }

  crash(): void {
    this.#rows = [];
    this.#markers.clear();
  }

  table(pause: () => Promise<void>): TextTable {
    return {
      write: async (instanceId, rows) => {
        await pause();
        this.#rows.push(...rows.map((row) => ({ ...row, instanceId })));
        const marked = this.#markers.has(instanceId);
        await pause();
        return marked;
      },
      mark: async (instanceId) => {
        await pause();
        this.#markers.add(instanceId);
      },
      unmark: async (instanceId) => {
        this.#markers.delete(instanceId);
      },
      readNew: async (cursors, sessionIds): Promise<NewText> => {
        await pause();
        const fresh = this.#rows.filter((row) => row.n > (cursors.get(row.instanceId) ?? Number.POSITIVE_INFINITY));
        const through = new Map<Uuid, number>();
        for (const row of fresh) through.set(row.instanceId, Math.max(row.n, through.get(row.instanceId) ?? 0));
        const pieces = this.#open(
          fresh.filter((row) => sessionIds.includes(row.sessionId)),
          'printed',
        );
        await pause();
        return { pieces, through, more: false };
      },
      readSessions: async (ids, extent) => {
        await pause();
        const pieces = this.#open(
          this.#rows.filter((row) => ids.includes(row.sessionId)),
          extent,
        );
        await pause();
        return pieces.sort((a, b) => a.startedSequence - b.startedSequence || a.offset - b.offset || a.n - b.n);
      },
      truncateOlder: async () => {
        const before = this.#rows.length;
        this.#rows = this.#rows.filter((row) => this.#log.isOpen(row.sessionId, row.startedSequence));
        return this.#rows.length < before;
      },
    };
  }

  #open(rows: readonly WrittenRow[], extent: TextExtent): TextPiece[] {
    const log = this.#log;
    const counts = ({ sessionId, startedSequence }: WrittenRow): boolean =>
      log.isOpen(sessionId, startedSequence) || (extent === 'printed' && log.hasPrinted(sessionId, startedSequence));
    return rows.filter(counts).map((row) => ({
      ...row,
      turnId: this.#log.runningTurn(row.sessionId) ?? '',
      overAt: this.#log.overAt(row.sessionId, row.startedSequence),
    }));
  }
}
