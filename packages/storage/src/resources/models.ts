import type { ModelProfileOverride, Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import { unlessTaken } from './violations.ts';

export type ModelSource = 'manual' | 'discovered' | 'predefined';

export interface ModelFields {
  provider_id: Uuid;
  model_id: string;
  display_name: string;
  capabilities: string[];
  enabled: boolean;
  is_favorite: boolean;
  /** What the organization knows better than the built-in profile. */
  profile: ModelProfileOverride | null;
  /** Taken while the circuit of the model's provider is open. */
  fallback_model_id: Uuid | null;
}

export interface ModelRow extends ModelFields, Row {
  id: Uuid;
  source: ModelSource;
  stale: boolean;
  last_seen_at: Date | null;
  created_at: Date;
  updated_at: Date;
  provider_name: string;
  provider_type: string;
  provider_status: 'active' | 'disabled';
  /** A stored key of its provider; fallback keys are the control plane's to know. */
  provider_key_set: boolean;
  provider_base_url: string | null;
}

export interface ModelFilter {
  orgId: Uuid;
  providerId: Uuid | null;
  source: ModelSource | null;
  includeStale: boolean;
  favoritesOnly: boolean;
}

const FIELDS = 'provider_id, model_id, display_name, capabilities, enabled, is_favorite, profile, fallback_model_id';
const ASSIGNMENTS = FIELDS.split(', ')
  .map((column) => `${column} = n.${column}`)
  .join(', ');
/** What a written row is read back with. */
const WRITTEN = `m.id, m.provider_id, m.model_id, m.display_name, m.capabilities, m.enabled, m.is_favorite, m.profile, m.fallback_model_id,
  m.source, m.stale, m.last_seen_at, m.created_at, m.updated_at`;
const COLUMNS = `${WRITTEN}, p.name as provider_name, p.provider_type, p.status as provider_status,
  p.api_key_encrypted is not null as provider_key_set, p.base_url as provider_base_url`;
const LIVE = 'm.org_id = $1 and m.deleted_at is null';
const JOINED = `select ${COLUMNS} from models m join providers p on p.id = m.provider_id and p.org_id = m.org_id and p.deleted_at is null`;

const LIST: Statement = {
  name: 'model_list',
  text: `${JOINED} where ${LIVE} and ($2::uuid is null or m.provider_id = $2) and ($3::text is null or m.source = $3)
      and ($4 or not m.stale) and (not $5 or m.is_favorite)
    order by p.created_at, p.id, m.created_at, m.id`,
};
const FIND: Statement = { name: 'model_find', text: `${JOINED} where ${LIVE} and m.id = $2` };
const FIND_NAMED: Statement = {
  name: 'model_find_named',
  text: `${JOINED} where ${LIVE} and m.model_id = $2 order by (p.status = 'active') desc, m.enabled desc, p.created_at, m.id limit 1`,
};
/** The explicit choice of a session so far: that of its latest message, else its own. A model that is gone has no name any more. */
const CHOSEN: Statement = {
  name: 'model_chosen',
  text: `select coalesce(e.asked, public_id('model', s.model_id)) as id, m.model_id as name
    from sessions s join session_heads h on h.session_id = s.id
      left join lateral (select x.data#>>'{message,controls,model_id}' as asked from events x
        where x.session_id = h.session_id and x.seq = h.last_input_seq) e on true
      left join models m on m.org_id = s.org_id and m.deleted_at is null
        and m.id = case when e.asked is null then s.model_id else replace(e.asked, 'model_', '')::uuid end
    where s.org_id = $1 and s.id = $2 and s.deleted_at is null`,
};
const INSERT: Statement = {
  name: 'model_insert',
  text: `with m as (
      insert into models as m (id, org_id, ${FIELDS}, source)
      select $1, $2, ${FIELDS}, $4 from jsonb_populate_record(null::models, $3) n
      where exists (select from providers where org_id = $2 and id = n.provider_id and deleted_at is null)
      returning ${WRITTEN})
    select ${COLUMNS} from m join providers p on p.id = m.provider_id`,
};
const UPDATE: Statement = {
  name: 'model_update',
  text: `with m as (
      update models m set ${ASSIGNMENTS}, updated_at = clock_timestamp()
      from (select x.id as key, n.* from models x cross join lateral jsonb_populate_record(x, $3) n
        where x.org_id = $1 and x.id = $2 and x.deleted_at is null for update of x) n
      where m.id = n.key and exists (select from providers where org_id = $1 and id = n.provider_id and deleted_at is null)
      returning ${WRITTEN})
    select ${COLUMNS} from m join providers p on p.id = m.provider_id`,
};
const DELETE: Statement = {
  name: 'model_delete',
  text: 'update models set deleted_at = clock_timestamp() where org_id = $1 and id = $2 and deleted_at is null returning id',
};

export async function listModels(db: Queryable, filter: ModelFilter): Promise<ModelRow[]> {
  return db.run<ModelRow>(LIST, [filter.orgId, filter.providerId, filter.source, filter.includeStale, filter.favoritesOnly]);
}

export async function findModel(db: Queryable, orgId: Uuid, id: Uuid): Promise<ModelRow | null> {
  return (await db.run<ModelRow>(FIND, [orgId, id]))[0] ?? null;
}

/** By its name at the provider; of several providers the oldest active one. */
export async function findModelNamed(db: Queryable, orgId: Uuid, name: string): Promise<ModelRow | null> {
  return (await db.run<ModelRow>(FIND_NAMED, [orgId, name]))[0] ?? null;
}

/** Public id and, while it is there, the name of the model that a session's people have chosen; null when they have not. */
export async function findChosenModel(db: Queryable, orgId: Uuid, sessionId: Uuid): Promise<{ id: string; name: string | null } | null> {
  const [row] = await db.run<{ id: string | null; name: string | null }>(CHOSEN, [orgId, sessionId]);
  return row?.id == null ? null : { id: row.id, name: row.name };
}

export interface NewModel {
  id: Uuid;
  orgId: Uuid;
  fields: ModelFields;
  source: ModelSource;
}

/** Null when the provider is not there. */
export async function insertModel(db: Queryable, model: NewModel): Promise<ModelRow | 'taken' | null> {
  const values = [model.id, model.orgId, JSON.stringify(model.fields), model.source];
  const rows = await unlessTaken(['models_name'], () => db.run<ModelRow>(INSERT, values));
  return rows === 'taken' ? rows : (rows[0] ?? null);
}

/** Null when the model, or the provider it moves to, is not there. */
export async function updateModel(db: Queryable, orgId: Uuid, id: Uuid, changes: Partial<ModelFields>): Promise<ModelRow | 'taken' | null> {
  const rows = await unlessTaken(['models_name'], () => db.run<ModelRow>(UPDATE, [orgId, id, JSON.stringify(changes)]));
  return rows === 'taken' ? rows : (rows[0] ?? null);
}

export async function deleteModel(db: Queryable, orgId: Uuid, id: Uuid): Promise<boolean> {
  return (await db.run(DELETE, [orgId, id])).length > 0;
}
