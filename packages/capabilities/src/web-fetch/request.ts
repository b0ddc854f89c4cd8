import { MAX_PAGES, type WebFetchArgs } from './spec.ts';

/** A request as it is sent. */
export interface PreparedRequest {
  url: string;
  method: string;
  headers: Headers;
  body: string | null;
  /** Made for an API: its answer is wanted as it is, also when it is a redirect, and may take its time. */
  isApi: boolean;
}

/** Headers that say how a message is carried, or for whom: not a caller's to set. */
const RESERVED = /^(host|content-length|transfer-encoding|connection|upgrade|te|trailer|keep-alive|expect|proxy-.*)$/i;
const USER_AGENT = 'everruns-web-fetch/1.0';
const DEFAULT_ACCEPT = 'text/html,application/xhtml+xml,text/markdown;q=0.9,text/plain;q=0.8,*/*;q=0.5';

/** Checks what the schema cannot say. A problem is told to the model. */
export function prepareRequest(args: WebFetchArgs, idempotencyKey: string): PreparedRequest | { problem: string } {
  const { url, method = 'GET' } = args;
  if (!URL.canParse(url)) return { problem: `"${url}" is not an absolute http or https address.` };
  if (args.as_markdown === true && args.as_text === true) return { problem: 'Give either as_markdown or as_text, not both.' };
  const bodies = (['body', 'json', 'form'] as const).filter((name) => args[name] !== undefined);
  if (bodies.length > 1) return { problem: `Give one of body, json and form, not ${bodies.join(' and ')}.` };
  if (bodies.length > 0 && (method === 'GET' || method === 'HEAD')) return { problem: `A ${method} request has no ${bodies[0]}.` };
  const { max_pages: maxPages = 1 } = args;
  if (maxPages < 1 || maxPages > MAX_PAGES) return { problem: `max_pages must be from 1 to ${MAX_PAGES}.` };
  if (args.form !== undefined && !isTexts(args.form)) return { problem: 'The fields of form must be strings.' };
  if (args.save_to_file !== undefined && args.crawl === true) return { problem: 'A crawl cannot be saved to one file.' };
  if (args.save_to_file !== undefined && method === 'HEAD') return { problem: 'HEAD has no body to be saved.' };
  if (args.crawl === true && method !== 'GET') return { problem: 'Only GET can crawl.' };
  const headers = headersOf(args.headers ?? {});
  if ('problem' in headers) return headers;
  const { body, type } = bodyOf(args);
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined && !headers.has(name)) headers.set(name, value);
  };
  add('user-agent', USER_AGENT);
  add('accept', DEFAULT_ACCEPT);
  add('content-type', type);
  add('if-none-match', args.if_none_match);
  add('if-modified-since', args.if_modified_since);
  const isSafe = method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
  if (!isSafe) add('idempotency-key', idempotencyKey);
  return { url, method, headers, body, isApi: args.headers !== undefined || (method !== 'GET' && method !== 'HEAD') };
}

function headersOf(given: Record<string, string>): Headers | { problem: string } {
  if (!isTexts(given)) return { problem: 'The values of headers must be strings.' };
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    if (RESERVED.test(name)) return { problem: `The header "${name}" cannot be set.` };
    try {
      headers.set(name, value);
    } catch {
      return { problem: `"${name}" and its value are not a valid header.` };
    }
  }
  return headers;
}

function isTexts(record: Record<string, unknown>): boolean {
  return Object.values(record).every((value) => typeof value === 'string');
}

function bodyOf({ body, json, form }: WebFetchArgs): { body: string | null; type?: string } {
  if (json !== undefined) return { body: JSON.stringify(json), type: 'application/json' };
  if (form !== undefined) return { body: new URLSearchParams(form).toString(), type: 'application/x-www-form-urlencoded' };
  return { body: body ?? null };
}
