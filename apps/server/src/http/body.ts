import { PlatformError, withoutNulls } from '@everruns/contract';
import type { FastifyRequest } from 'fastify';
import { decodeUtf8, findUnstorable, MAX_NESTING, tooDeep } from './storable.ts';
import type { Api } from './types.ts';

/**
 * JSON bodies. Official clients send `Content-Type: application/json` with no body at all, or with the text `null`: both mean "no body".
 * What cannot be stored as it is, is refused here with its place, never changed.
 */
export function acceptBodies(app: Api): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  // Else JSON that says it is text would arrive as one long string.
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (!isUtf8(request.headers['content-type'])) return done(new PlatformError('unsupported_media_type', 'JSON is UTF-8.'), undefined);
    const text = decodeUtf8(body as Buffer);
    if (text === null) return done(new PlatformError('malformed_json', 'The body is not valid UTF-8.'), undefined);
    if (text.trim() === '' || text.trim() === 'null') return done(null, undefined);
    if (isTooDeep(text)) return done(tooDeep(), undefined);
    void parse(request, text, (error, value) => {
      if (error !== null) return done(malformed(error), undefined);
      done(mayBeUnstorable(text) ? findUnstorable(value) : null, value);
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

function isUtf8(contentType: string | undefined): boolean {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType ?? '')?.[1];
  return charset === undefined || /^(utf-?8|us-ascii)$/i.test(charset);
}

/** Counts brackets outside of strings: what is not JSON at all is for the parser to say. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > MAX_NESTING) return true;
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
  return false;
}

/** Broken text can only come in as an escape, because the bytes were UTF-8; an endless number needs a long exponent or very many digits. */
function mayBeUnstorable(text: string): boolean {
  return /\\u(?:0000|[dD][89a-fA-F])|\d[eE]\+?\d{3}|\d{309}/.test(text);
}
