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
/**
 * What a provider lists, brought in: new names are discovered and wait to be enabled, known ones are seen, and those that came with the
 * platform or from an earlier list and are missing go stale. What somebody removed stays removed; what was made by hand is nobody else's.
 * One synchronisation of a provider at a time: its row is locked.
 */
const SYNC: Statement = {
  name: 'models_sync',
  text: `with p as materialized (
      update providers set last_synced_at = clock_timestamp() where org_id = $1 and id = $2 and deleted_at is null returning id),
    l as materialized (
      select x.id, x.model_id, x.display_name, x.profile from p, jsonb_to_recordset($3::jsonb) x(id uuid, model_id text, display_name text, profile jsonb)),
    seen as (
      update models m set stale = false, last_seen_at = clock_timestamp(),
        display_name = case when m.source = 'discovered' then l.display_name else m.display_name end,
        updated_at = case when m.stale or (m.source = 'discovered' and m.display_name <> l.display_name) then clock_timestamp() else m.updated_at end
      from l where m.org_id = $1 and m.provider_id = $2 and m.model_id = l.model_id and m.deleted_at is null
      returning m.id),
    missing as (
      update models m set stale = true, updated_at = case when m.stale then m.updated_at else clock_timestamp() end
      where m.org_id = $1 and m.provider_id = (select id from p) and m.deleted_at is null and m.source <> 'manual'
        and m.model_id not in (select model_id from l)
      returning m.id),
    made as (
      insert into models (id, org_id, provider_id, model_id, display_name, capabilities, enabled, source, last_seen_at, profile)
      select l.id, $1, $2, l.model_id, l.display_name, '{chat}', false, 'discovered', clock_timestamp(), l.profile from l
      where not exists (select from models m where m.provider_id = $2 and m.model_id = l.model_id)
      order by l.id
      on conflict do nothing returning id)
    select (select count(*)::int from p) as found, (select count(*)::int from made) as created, (select count(*)::int from seen) as updated,
      (select count(*)::int from missing) as stale`,
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

export interface ListedModelRow {
  /** Of the row, should the model be new. */
  id: Uuid;
  model_id: string;
  display_name: string;
  profile: ModelProfileOverride | null;
}

export interface SyncCounts {
  created: number;
  updated: number;
  stale: number;
}

/** Null when the provider is not there. */
export async function syncModels(
  db: Queryable,
  at: { orgId: Uuid; providerId: Uuid },
  listed: readonly ListedModelRow[],
): Promise<SyncCounts | null> {
  const [row] = await db.run<SyncCounts & { found: number } & Row>(SYNC, [at.orgId, at.providerId, JSON.stringify(listed)]);
  if (row === undefined || row.found === 0) return null;
  return { created: row.created, updated: row.updated, stale: row.stale };
}

export async function deleteModel(db: Queryable, orgId: Uuid, id: Uuid): Promise<boolean> {
  return (await db.run(DELETE, [orgId, id])).length > 0;
}
