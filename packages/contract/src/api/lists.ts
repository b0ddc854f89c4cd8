import { z } from 'zod';
import type { ZodType } from 'zod';

/** The list envelopes and the query parameters of lists (contract 1.5). */

export const DEFAULT_LIMIT = 20;
export const MAX_LIMIT = 100;
export const MAX_SEARCH_TOKENS = 8;

/** A query flag: `true`, `1` or the bare name mean yes. */
export const QueryFlag = z
  .enum(['', 'true', 'false', '1', '0'])
  .transform((text) => text === '' || text === 'true' || text === '1')
  .optional();

/** A whole number of a query: decimal digits and nothing else, once. Blank, signed, hexadecimal and repeated ones are refused. */
export function queryInteger(range: { min: number; max: number }) {
  const message = `Expected a whole number from ${range.min} to ${range.max}.`;
  return z.int(message).min(range.min, message).max(range.max, message);
}

/** Turns the text of a query into what `schema` checks; in the API document only the schema is seen. */
export function fromQuery<T extends ZodType>(schema: T) {
  return z.preprocess((text) => (typeof text === 'string' && /^\d{1,10}$/.test(text) ? Number(text) : text), schema);
}

export const PageQuery = z.object({
  offset: fromQuery(queryInteger({ min: 0, max: 1_000_000_000 }).default(0)),
  limit: fromQuery(queryInteger({ min: 1, max: MAX_LIMIT }).default(DEFAULT_LIMIT)),
});
export type PageQuery = z.infer<typeof PageQuery>;

/** Words to look for; PostgreSQL has no text with NUL. */
export const SearchText = z
  .string()
  .max(1_000)
  .refine((text) => !text.includes('\u0000'), 'Text must not hold NUL.')
  .optional();

export const SearchQuery = z.object({
  search: SearchText,
  include_archived: QueryFlag,
});

export function paginated<T extends ZodType>(item: T) {
  return z.object({
    data: z.array(item),
    total: z.int(),
    offset: z.int(),
    limit: z.int(),
    next_url: z.string().optional(),
    prev_url: z.string().optional(),
  });
}

export function listOf<T extends ZodType>(item: T) {
  return z.object({ data: z.array(item) });
}

/** The words of a search: every one must occur. Blank means no filter; words beyond the eighth are ignored. */
export function searchTokens(search: string | undefined): string[] {
  return (search ?? '')
    .split(/\s+/)
    .filter((token) => token !== '')
    .slice(0, MAX_SEARCH_TOKENS);
}

export interface PageLinks {
  next_url?: string;
  prev_url?: string;
}

/** URLs of the neighbour pages of `url` (absolute, with the query of the request), absent where there is none. */
export function pageLinks(url: string, page: PageQuery, total: number): PageLinks {
  const at = (offset: number): string => {
    const next = new URL(url);
    next.searchParams.set('offset', String(offset));
    next.searchParams.set('limit', String(page.limit));
    return next.toString();
  };
  const before = Math.min(page.offset, total);
  return {
    ...(page.offset + page.limit < total ? { next_url: at(page.offset + page.limit) } : {}),
    ...(page.offset > 0 ? { prev_url: at(Math.max(before - page.limit, 0)) } : {}),
  };
}
