import { PlatformError, withoutNulls } from '@everruns/contract';
import type { FastifyRequest } from 'fastify';
import type { Api } from './types.ts';

/** Deeper than any request of ours, and far from what recursion in parsers and the database bears. */
const MAX_NESTING = 64;

/**
 * JSON bodies. Official clients send `Content-Type: application/json` with no body at all, or with the text `null`: both mean "no body".
 * PostgreSQL stores neither NUL nor half of a surrogate pair, so text with them is refused here, with its place.
 */
export function acceptBodies(app: Api): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const text = body as string;
    if (text.trim() === '' || text.trim() === 'null') return done(null, undefined);
    const refusal = tooDeep(text);
    if (refusal !== null) return done(refusal, undefined);
    void parse(request, text, (error, value) => {
      if (error !== null) return done(malformed(error), undefined);
      done(mayHoldBrokenText(text) ? findBrokenText(value) : null, value);
    });
  });
  app.addHook('preValidation', async (request) => {
    const { schema, config } = request.routeOptions;
    if (schema?.body === undefined || typeof request.body === 'string') return;
    normalizeBody(request, config.nulls === 'clear' ? 1 : 0);
  });
}

function normalizeBody(request: FastifyRequest, keepDepth: number): void {
  const body: unknown = request.body ?? {};
  const renamed = request.routeOptions.config.aliases?.(body) ?? body;
  request.body = withoutNulls(renamed, keepDepth);
}

function malformed(error: Error): PlatformError {
  return new PlatformError('malformed_json', error.message, { cause: error });
}

/** Counts brackets outside of strings: what is not JSON at all is for the parser to say. */
function tooDeep(text: string): PlatformError | null {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > MAX_NESTING) return new PlatformError('invalid_request', `The body is nested deeper than ${MAX_NESTING} levels.`);
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
  return null;
}

/** Broken text can only come in as an escape: the decoder has replaced it everywhere else. */
function mayHoldBrokenText(text: string): boolean {
  return /\\u(?:0000|[dD][89a-fA-F])/.test(text);
}

function findBrokenText(root: unknown): PlatformError | null {
  const open: { path: string; value: unknown }[] = [{ path: '', value: root }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { path, value } = next;
    if (typeof value === 'string' && isBroken(value)) {
      return new PlatformError('invalid_request', 'Text must not hold NUL or unpaired surrogates.', { field: path });
    }
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, member] of Object.entries(value)) {
      if (isBroken(key)) return new PlatformError('invalid_request', 'A name must not hold NUL or unpaired surrogates.', { field: path });
      open.push({ path: path === '' ? key : `${path}.${key}`, value: member });
    }
  }
  return null;
}

function isBroken(text: string): boolean {
  return text.includes('\u0000') || !text.isWellFormed();
}
