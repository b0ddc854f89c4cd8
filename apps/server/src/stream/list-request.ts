import { MAX_SEQUENCE, PlatformError } from '@everruns/contract';
import type { EventCursor, Uuid } from '@everruns/contract';
import type { EventFilter } from '@everruns/storage';
import { cursorOf, flag, integer, invalid, many, single, typeFilter } from './stream-query.ts';
import type { RawQuery } from './stream-query.ts';

const MAX_LIMIT = 1_000;
const MAX_WINDOW = 500;
const DEFAULT_WINDOW = 50;
const MAX_TAGS = 20;
const MAX_SEARCH_BYTES = 4_096;
const MAX_SEARCH_WORDS = 64;
const MAX_TEXT = 200;

/** What a client asks of the events list (contract 2.9). */
export interface ListRequest {
  filter: EventFilter;
  /** Exclusive; with it and a limit the first events are meant, without it the last ones. */
  after: { sequence: number; field: string } | null;
  before: number | null;
  around: { id: string; cursor: EventCursor; window: number } | null;
  limit: number | null;
  newestFirst: boolean;
}

export function parseListRequest(sessionId: Uuid, query: RawQuery): ListRequest {
  const cursors = ['since_id', 'after_sequence', 'before_sequence', 'around'].filter((key) => query[key] !== undefined);
  if (cursors.includes('around') && cursors.length > 1) throw conflicting('around', '`around` excludes the other cursors.');
  if (cursors.includes('since_id') && cursors.includes('after_sequence')) {
    throw conflicting('after_sequence', 'Only one of `since_id` and `after_sequence` may be given.');
  }
  const limit = integer(query, 'limit', { min: 1, max: MAX_LIMIT }) ?? null;
  const before = integer(query, 'before_sequence', { min: 0, max: MAX_SEQUENCE }) ?? null;
  if (before !== null && limit === null) throw invalid('limit', '`before_sequence` needs a `limit`.');
  return {
    filter: parseFilter(query),
    after: parseAfter(sessionId, query),
    before,
    around: parseAround(sessionId, query),
    limit,
    newestFirst: flag(query, 'order_desc', false),
  };
}

function conflicting(field: string, message: string): PlatformError {
  return new PlatformError('conflicting_parameters', message, { field });
}

function parseAfter(sessionId: Uuid, query: RawQuery): ListRequest['after'] {
  const sinceId = single(query, 'since_id');
  if (sinceId !== undefined) return { sequence: cursorOf(sinceId, 'since_id', sessionId).sequence, field: 'since_id' };
  const sequence = integer(query, 'after_sequence', { min: 0, max: MAX_SEQUENCE });
  return sequence === undefined ? null : { sequence, field: 'after_sequence' };
}

function parseAround(sessionId: Uuid, query: RawQuery): ListRequest['around'] {
  const id = single(query, 'around');
  const window = integer(query, 'window', { min: 1, max: MAX_WINDOW }) ?? DEFAULT_WINDOW;
  return id === undefined ? null : { id, cursor: cursorOf(id, 'around', sessionId), window };
}

function parseFilter(query: RawQuery): EventFilter {
  const { types, exclude } = typeFilter(query);
  const from = timestamp(query, 'from_ts');
  const to = timestamp(query, 'to_ts');
  if (from !== undefined && to !== undefined && from > to) throw invalid('from_ts', '`from_ts` is later than `to_ts`.');
  const tags = many(query, 'tags').map((tag) => text('tags', tag));
  if (tags.length > MAX_TAGS) throw invalid('tags', `\`tags\` takes at most ${MAX_TAGS} values.`);
  return {
    ...(types.length === 0 ? {} : { types }),
    ...(exclude.length === 0 ? {} : { exclude }),
    ...(tags.length === 0 ? {} : { tags }),
    ...given('from', from),
    ...given('to', to),
    ...given('turnId', optionalText(query, 'turn_id')),
    ...given('execId', optionalText(query, 'exec_id')),
    ...given('traceId', optionalText(query, 'trace_id')),
    ...given('toolName', optionalText(query, 'tool_name')),
    ...given('words', searchWords(query)),
  };
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

function timestamp(query: RawQuery, key: string): Date | undefined {
  const value = single(query, key);
  if (value === undefined) return undefined;
  const at = /^\d{4}-\d{2}-\d{2}/.test(value) ? new Date(value) : new Date(Number.NaN);
  if (Number.isNaN(at.getTime())) throw invalid(key, `\`${key}\` is a time as in RFC 3339.`);
  return at;
}

function optionalText(query: RawQuery, key: string): string | undefined {
  const value = single(query, key);
  return value === undefined ? undefined : text(key, value);
}

function text(key: string, value: string): string {
  if (value === '' || value.length > MAX_TEXT || value.includes('\0'))
    throw invalid(key, `\`${key}\` is a text of 1 to ${MAX_TEXT} characters.`);
  return value;
}

function searchWords(query: RawQuery): string[] | undefined {
  const value = single(query, 'q');
  if (value === undefined) return undefined;
  if (Buffer.byteLength(value) > MAX_SEARCH_BYTES || value.includes('\0'))
    throw invalid('q', `\`q\` has at most ${MAX_SEARCH_BYTES} bytes.`);
  const words = value.split(/\s+/).filter((word) => word !== '');
  if (words.length > MAX_SEARCH_WORDS) throw invalid('q', `\`q\` has at most ${MAX_SEARCH_WORDS} words.`);
  return words.length === 0 ? undefined : words;
}
