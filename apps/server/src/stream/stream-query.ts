import { isEventType, parseEventId, PlatformError, sessionTag } from '@everruns/contract';
import type { EventCursor, Uuid } from '@everruns/contract';

/** What the stream and list routes share of their queries: event types and cursors (contract 2.9, 3.6). */

export const MAX_TYPES = 64;

export type RawQuery = Record<string, string | string[] | undefined>;

export function invalid(field: string, message: string): PlatformError {
  return new PlatformError('invalid_request', message, { field });
}

/** The one value of a key; a repeated key is refused. */
export function single(query: RawQuery, key: string): string | undefined {
  const value = query[key];
  if (Array.isArray(value)) throw invalid(key, `\`${key}\` may be given once.`);
  return value;
}

export function many(query: RawQuery, key: string): string[] {
  const value = query[key];
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

export function flag(query: RawQuery, key: string, fallback: boolean): boolean {
  const value = single(query, key);
  if (value === undefined) return fallback;
  if (value === 'true' || value === '1' || value === '') return true;
  if (value === 'false' || value === '0') return false;
  throw invalid(key, `\`${key}\` is true or false.`);
}

export function integer(query: RawQuery, key: string, range: { min: number; max: number }): number | undefined {
  const value = single(query, key);
  if (value === undefined) return undefined;
  const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= range.min && number <= range.max)) throw invalid(key, `\`${key}\` is a number from ${range.min} to ${range.max}.`);
  return number;
}

export interface TypeFilter {
  types: readonly string[];
  exclude: readonly string[];
}

export function typeFilter(query: RawQuery): TypeFilter {
  return { types: eventTypes(query, 'types'), exclude: eventTypes(query, 'exclude') };
}

function eventTypes(query: RawQuery, key: string): string[] {
  const values = many(query, key);
  if (values.length > MAX_TYPES) throw invalid(key, `\`${key}\` takes at most ${MAX_TYPES} values.`);
  for (const value of values) {
    if (!isEventType(value))
      throw new PlatformError('unknown_event_type', `There is no event type \`${value.slice(0, 100)}\`.`, { field: key });
  }
  return [...new Set(values)];
}

export function wantsOf(filter: TypeFilter): (type: string) => boolean {
  const types = new Set(filter.types);
  const exclude = new Set(filter.exclude);
  return (type) => (types.size === 0 || types.has(type)) && !exclude.has(type);
}

/** An event id as a place in this session's log; refuses what is no event id and what belongs to another session. */
export function cursorOf(id: string, field: string, sessionId: Uuid): EventCursor {
  const cursor = parseEventId(id);
  if (cursor === null) throw new PlatformError('malformed_id', `\`${id.slice(0, 100)}\` is no event id.`, { field });
  if (cursor.sessionTag !== sessionTag(sessionId)) throw foreignCursor(field);
  return cursor;
}

export function foreignCursor(field: string): PlatformError {
  return new PlatformError('unknown_cursor', 'No event of this session has this id.', { field });
}

/** The events right after the cursor are no longer kept: going on from there would leave a hole. */
export function requireKept(after: number, firstSequence: number, field: string): void {
  if (after === 0 || after + 1 >= firstSequence) return;
  throw new PlatformError('cursor_expired', `The events of this session are kept from sequence ${firstSequence} on.`, { field });
}
