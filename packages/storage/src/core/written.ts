import { toPublicId } from '@everruns/contract';
import type { DurableEvent, DurableEventType, EventContext, Uuid } from '@everruns/contract';
import type { Row } from '../database.ts';

/** One row of a plan-applying statement's event columns; all null when nothing was written. */
export interface WrittenRow extends Row {
  seq: number | null;
  event_id: Uuid | null;
  ts: Date | null;
  type: string | null;
  context: EventContext | null;
  data: Record<string, unknown> | null;
  /** Only input has them; a statement that writes none leaves the column out. */
  tags?: string[] | null;
}

export function writtenEvents(sessionId: Uuid, rows: readonly WrittenRow[]): DurableEvent[] {
  const session_id = toPublicId('session', sessionId);
  return rows
    .filter((row) => row.seq !== null)
    .map((row) => ({
      id: toPublicId('event', row.event_id as Uuid),
      type: row.type as DurableEventType,
      ts: (row.ts as Date).toISOString(),
      session_id,
      context: row.context ?? {},
      data: row.data ?? {},
      sequence: row.seq as number,
      ...(row.tags == null ? {} : { tags: row.tags }),
    }))
    .sort((a, b) => a.sequence - b.sequence);
}
