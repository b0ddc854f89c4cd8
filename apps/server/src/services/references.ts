import { PlatformError, toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { findHarness, findHarnessNamed, findModel, findModelNamed } from '@everruns/storage';
import type { HarnessRow, ModelRow, Queryable } from '@everruns/storage';

/** Looks up what a request names. Every function answers for one organization: another one's rows are not there. */

export interface HarnessReference {
  id: Uuid | null | undefined;
  name: string | null | undefined;
}

/** Null when neither is given. Throws `conflicting_parameters`, `not_found` and `dependency_archived`. */
export async function requireHarnessReference(db: Queryable, orgId: Uuid, reference: HarnessReference): Promise<HarnessRow | null> {
  refuseBoth('harness', reference);
  const { id, name } = reference;
  if (id == null && name == null) return null;
  const found = id != null ? await findHarness(db, orgId, id) : await findHarnessNamed(db, orgId, name as string);
  const field = id != null ? 'harness_id' : 'harness_name';
  if (found === null) throw new PlatformError('not_found', 'There is no such harness.', { field });
  if (found.status !== 'active') throw new PlatformError('dependency_archived', `The harness "${found.name}" is archived.`, { field });
  return found;
}

/** An id and a name of the same thing exclude each other, whatever they are. */
export function refuseBoth(what: 'harness' | 'agent', reference: HarnessReference): void {
  if (reference.id == null || reference.name == null) return;
  throw new PlatformError('conflicting_parameters', `Give either ${what}_id or ${what}_name, not both.`, { field: `${what}_name` });
}

export async function requireModel(db: Queryable, orgId: Uuid, id: Uuid, field: string): Promise<ModelRow> {
  const row = await findModel(db, orgId, id);
  if (row !== null) return row;
  throw new PlatformError('unknown_model', `There is no model ${toPublicId('model', id)}.`, { field });
}

/** `model` of the TypeScript SDK: an id or the model's name at its provider. Throws `unknown_model`. */
export async function modelByAlias(db: Queryable, orgId: Uuid, alias: string, parse: (id: string) => Uuid | null): Promise<Uuid> {
  const id = parse(alias);
  const row = id === null ? await findModelNamed(db, orgId, alias) : await findModel(db, orgId, id);
  if (row === null) throw new PlatformError('unknown_model', `There is no model "${alias}".`, { field: 'model' });
  return row.id;
}
