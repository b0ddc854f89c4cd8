import { idParam, Slug } from '@everruns/contract';
import type { IdKind } from '@everruns/contract';
import { z } from 'zod';

export const IdOrName = z.object({ id_or_name: z.string().min(1).max(200) });

export function idPath<K extends IdKind>(kind: K) {
  return z.object({ id: idParam(kind) });
}

export function checkNameQuery(kind: 'agent' | 'harness') {
  return z.object({ name: Slug, exclude_id: idParam(kind).optional() });
}

export const NoContent = z.undefined();

/** The three policies of a resource, as a user interface asks for them. Whoever is let in may do everything in auth mode `none`. */
export function policiesOf(...ids: string[]): { policies: Record<string, boolean> } {
  return { policies: Object.fromEntries(ids.flatMap((id) => [`${id}.view`, `${id}.manage`, `${id}.dangerous`]).map((id) => [id, true])) };
}
