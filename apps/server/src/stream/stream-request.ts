import type { TextStream, Uuid } from '@everruns/contract';
import { MAX_SEQUENCE, PlatformError } from '@everruns/contract';
import { cursorOf, flag, integer, invalid, single, typeFilter, wantsOf } from './stream-query.ts';
import type { RawQuery } from './stream-query.ts';

/** How a client wants to follow a session. */
export interface StreamRequest {
  sessionId: Uuid;
  /** The stream begins after this sequence; null: before the last message that a user sent. */
  after: number | null;
  /** Nothing is replayed. */
  live: boolean;
  /** What the cursor says of the open text that it lies in. */
  shown: { stream: TextStream; offset: number; tag: number } | null;
  wants: (type: string) => boolean;
  accumulated: boolean;
  /** Name of the parameter that the cursor came in. */
  cursorField: string;
}

export function parseStreamRequest(sessionId: Uuid, query: RawQuery, lastEventId: string | undefined): StreamRequest {
  const sinceId = single(query, 'since_id');
  const afterSequence = integer(query, 'after_sequence', { min: 0, max: MAX_SEQUENCE });
  const live = flag(query, 'live', false);
  if (Number(sinceId !== undefined) + Number(afterSequence !== undefined) + Number(live) > 1) {
    throw new PlatformError('conflicting_parameters', 'Only one of `since_id`, `after_sequence` and `live` may be given.', {
      field: sinceId === undefined ? 'after_sequence' : 'since_id',
    });
  }
  const common = {
    sessionId,
    live,
    wants: wantsOf(typeFilter(query)),
    accumulated: flag(query, 'accumulated', true),
  };
  if (afterSequence !== undefined) return { ...common, after: afterSequence, shown: null, cursorField: 'after_sequence' };
  const [id, cursorField] = sinceId === undefined ? [live ? undefined : lastEventId, 'Last-Event-ID'] : [sinceId, 'since_id'];
  if (id === undefined || id === '') {
    if (sinceId !== undefined) throw invalid('since_id', '`since_id` is an event id.');
    return { ...common, after: null, shown: null, cursorField };
  }
  const cursor = cursorOf(id, cursorField, sessionId);
  const shown = cursor.kind === 'ephemeral' ? { stream: cursor.stream, offset: cursor.offset, tag: cursor.messageTag } : null;
  return { ...common, after: cursor.sequence, shown, cursorField };
}
