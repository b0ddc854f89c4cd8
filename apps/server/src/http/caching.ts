import { createHash } from 'node:crypto';
import type { Api } from './types.ts';

/**
 * Single entities have a strong ETag and answer 304; nothing else may be stored. The tag is the hash of the body, so it is right for
 * whatever the body is made of, on every instance. A handler that says itself how its answer may be kept is left alone.
 */
export function cacheEntities(app: Api): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const isEntity = request.routeOptions.config.cache === 'entity' && (request.method === 'GET' || request.method === 'HEAD');
    if (!isEntity || reply.statusCode !== 200 || typeof payload !== 'string' || reply.hasHeader('cache-control')) {
      if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
      return payload;
    }
    const tag = `"${createHash('sha256').update(payload).digest('base64url').slice(0, 27)}"`;
    reply.header('etag', tag).header('cache-control', 'private, no-cache');
    if (!matchesTag(request.headers['if-none-match'], tag)) return payload;
    reply.code(304).removeHeader('content-type');
    return '';
  });
}

/** RFC 9110 13.1.2: weak comparison, a list, or `*`. */
export function matchesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((candidate) => {
    const text = candidate.trim();
    return text === '*' || text.replace(/^W\//, '') === tag;
  });
}
