/** A durable event in its wire form, as text: it goes from the database to the client without being parsed. */
export interface EventRow {
  sequence: number;
  type: string;
  /** Public id. */
  id: string;
  json: string;
}

export interface RawEventRow extends Record<string, unknown> {
  seq: number;
  type: string;
  id: string;
  json: string;
}

/**
 * Columns of a `RawEventRow` from `events e`. `replay`, the provider's opaque state, is never selected. The JSON is put together as text,
 * in the order of the contract's envelope; jsonb prints without line breaks, so it fits one line of a stream.
 */
export const EVENT_COLUMNS = `e.seq, e.type, public_id('event', e.id) as id,
  '{"id":"' || public_id('event', e.id) || '","type":"' || e.type || '","ts":"' || to_char(e.ts at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  || '","session_id":"' || public_id('session', e.session_id) || '","context":' || e.context::text || ',"data":' || e.data::text
  || ',"sequence":' || e.seq || coalesce(',"metadata":' || e.metadata::text, '') || coalesce(',"tags":' || array_to_json(e.tags)::text, '') || '}' as json`;

export function toEventRow(row: RawEventRow): EventRow {
  return { sequence: row.seq, type: row.type, id: row.id, json: row.json };
}
