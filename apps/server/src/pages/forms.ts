import { PlatformError } from '@everruns/contract';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { sentenceOf } from '../http/sentences.ts';

/** Forms of pages: who may send them, and what they say. */

/**
 * A form changes something for whoever looks at the page, so it has to come from one of our own. Browsers say where a request comes from in one
 * of two headers; what says nothing is no browser, and has the API.
 */
export function requireOwnForm({ headers }: Pick<FastifyRequest, 'headers'>, publicUrl: string): void {
  const { origin, host = '', 'sec-fetch-site': site } = headers;
  const isOwn =
    site === undefined
      ? origin !== undefined && URL.canParse(origin) && [host.toLowerCase(), new URL(publicUrl).host].includes(new URL(origin).host)
      : site === 'same-origin';
  if (!isOwn) throw new PlatformError('forbidden', 'This form can only be sent from its own page. Open the page again.');
}

/** The texts of a form; what is given more than once counts as its first. */
export function textsOf(body: unknown): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries((body ?? {}) as Record<string, unknown>)) {
    const first: unknown = Array.isArray(value) ? value[0] : value;
    if (typeof first === 'string') texts[name] = first;
  }
  return texts;
}

export type Checked<T> = { value: T; wrong: null } | { value: null; wrong: Record<string, string> };

/** The form as a request of the API, or what is wrong with each field. */
export function checked<T>(schema: z.ZodType<T>, texts: Readonly<Record<string, string>>): Checked<T> {
  const parsed = schema.safeParse(texts);
  if (parsed.success) return { value: parsed.data, wrong: null };
  const wrong: Record<string, string> = {};
  for (const issue of parsed.error.issues) {
    const name = String(issue.path[0] ?? 'form');
    wrong[name] ??= sentenceOf(issue);
  }
  return { value: null, wrong };
}

/** What a refusal of a service says, for the page; whatever is not a refusal is thrown on. */
export function refusal(error: unknown): PlatformError {
  if (error instanceof PlatformError && error.status < 500) return error;
  throw error;
}
