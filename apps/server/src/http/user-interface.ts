import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { pathOf } from './problems.ts';
import type { Api } from './types.ts';

/** Answers with a page or a part of it; false when there is none at this address. */
export type AnswerWithPage = (request: FastifyRequest, reply: FastifyReply) => boolean;

export interface UserInterfaceSettings {
  /** Where the built pages are, or will be; null: there are none. */
  directory: string | null;
  apiPrefix: string;
}

const YEAR_SECONDS = 31_536_000;
/** Whatever else stands at the root of the server belongs to programs, and answers them in their way. */
const ROOTS = /^\/(oauth|mcp|health|metrics|api-doc|\.well-known)(\/|$)/;
/** Their names change with what is in them. */
const LASTING = /^\/assets\//;
const FILE = /^\/[A-Za-z0-9._/-]+\.[a-z0-9]+$/;

/** Everything comes from here: a picture from elsewhere could carry what a model knows to whoever it was made to ask. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "font-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The management interface, where it has been built. Its pages have addresses that only it knows, so every one of them gets the same document. */
export async function serveUserInterface(app: Api, { directory, apiPrefix }: UserInterfaceSettings): Promise<AnswerWithPage> {
  if (directory === null) return () => false;
  await app.register(fastifyStatic, { root: directory, serve: false, cacheControl: false, index: false });
  return (request, reply) => {
    const path = pathOf(request.url);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead || ROOTS.test(path) || (apiPrefix !== '' && path.startsWith(`${apiPrefix}/`)) || path.startsWith('/v1/')) return false;
    if (FILE.test(path) && !path.includes('..') && existsSync(join(directory, path))) {
      reply.header('cache-control', LASTING.test(path) ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache');
      void reply.sendFile(path, directory);
      return true;
    }
    if (!wantsPage(request) || !isBuilt(directory)) return false;
    reply.header('cache-control', 'no-cache').header('content-security-policy', POLICY);
    void reply.sendFile('index.html', directory);
    return true;
  };
}

/** Whether there are pages by now. */
export function isBuilt(directory: string | null): boolean {
  return directory !== null && existsSync(join(directory, 'index.html'));
}

function wantsPage({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes('text/html') === true;
}
