import { PlatformError } from '@everruns/contract';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { DOCUMENT_FORMATS, DOCUMENT_TYPES } from '../services/documents.ts';
import type { DocumentFormat } from '../services/documents.ts';
import { decodeUtf8, findUnstorable } from './storable.ts';
import type { Api } from './types.ts';

/** Documents on the wire: bodies are text whatever the content type says. */

export const ExportQuery = z.object({ format: z.enum(DOCUMENT_FORMATS).default('markdown') });

export const DocumentAnswer = {
  description: 'Markdown with YAML front matter, YAML or JSON, as asked for',
  content: Object.fromEntries(DOCUMENT_FORMATS.map((format) => [DOCUMENT_TYPES[format].split(';')[0], { schema: z.string() }])),
};

export function sendDocument(reply: FastifyReply, format: DocumentFormat, text: string): FastifyReply {
  return reply.type(DOCUMENT_TYPES[format]).serializer(String).send(text);
}

/** In a context of its own. */
export function acceptDocuments(plain: Api): void {
  plain.removeAllContentTypeParsers();
  plain.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

/** A document is text, and what it says must be what the store can hold. */
export function documentOf(body: unknown, read: (text: string) => Record<string, unknown>): Record<string, unknown> {
  const text = body instanceof Uint8Array ? decodeUtf8(body) : '';
  if (text === null) throw new PlatformError('invalid_request', 'The document is not valid UTF-8.', { field: 'body' });
  const document = read(text);
  const refusal = findUnstorable(document);
  if (refusal !== null) throw refusal;
  return document;
}
