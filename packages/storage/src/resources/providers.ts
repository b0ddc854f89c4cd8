import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import type { SealedSecret } from '../secrets/envelope.ts';
import { unlessTaken } from './violations.ts';

export interface ProviderFields {
  name: string;
  provider_type: string;
  base_url: string | null;
  api_key_encrypted: SealedSecret | null;
  credentials_encrypted: SealedSecret | null;
  trace: Record<string, unknown> | null;
  options: Record<string, unknown> | null;
  status: 'active' | 'disabled';
}

/** A provider as it may leave the control plane: whether there is a key, never the key. */
export interface ProviderRow extends Row {
  id: Uuid;
  name: string;
  provider_type: string;
  base_url: string | null;
  api_key_set: boolean;
  trace: Record<string, unknown> | null;
  options: Record<string, unknown> | null;
  status: 'active' | 'disabled';
  last_synced_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

const FIELDS = 'name, provider_type, base_url, api_key_encrypted, credentials_encrypted, trace, options, status';
const COLUMNS = `p.id, p.name, p.provider_type, p.base_url, p.api_key_encrypted is not null as api_key_set, p.trace, p.options, p.status,
  p.last_synced_at, p.created_at, p.updated_at`;
const ASSIGNMENTS = FIELDS.split(', ')
  .map((column) => `${column} = n.${column}`)
  .join(', ');

const LIST: Statement = {
  name: 'provider_list',
  text: `select ${COLUMNS} from providers p where p.org_id = $1 and p.deleted_at is null order by p.created_at, p.id`,
};
const FIND: Statement = {
  name: 'provider_find',
  text: `select ${COLUMNS} from providers p where p.org_id = $1 and p.id = $2 and p.deleted_at is null`,
};
const INSERT: Statement = {
  name: 'provider_insert',
  text: `insert into providers as p (id, org_id, ${FIELDS}) select $1, $2, ${FIELDS} from jsonb_populate_record(null::providers, $3)
    returning ${COLUMNS}`,
};
const UPDATE: Statement = {
  name: 'provider_update',
  text: `update providers p set ${ASSIGNMENTS}, updated_at = clock_timestamp()
    from (select x.id as key, n.* from providers x cross join lateral jsonb_populate_record(x, $3) n
      where x.org_id = $1 and x.id = $2 and x.deleted_at is null for update of x) n
    where p.id = n.key returning ${COLUMNS}`,
};
/** The row stays without its secrets, so that a seeded provider that somebody removed is not seeded again. */
const DELETE: Statement = {
  name: 'provider_delete',
  text: `with p as (
      update providers set deleted_at = clock_timestamp(), api_key_encrypted = null, credentials_encrypted = null
      where org_id = $1 and id = $2 and deleted_at is null returning id
    ), m as (
      update models set deleted_at = clock_timestamp() where org_id = $1 and provider_id in (select id from p) and deleted_at is null
    )
    select id from p`,
};

const SECRETS: Statement = {
  name: 'provider_secrets',
  text: `select p.id, p.provider_type, p.base_url, p.options, p.api_key_encrypted, p.credentials_encrypted from providers p
    where p.org_id = $1 and p.id = $2 and p.deleted_at is null`,
};

/** What a call to the provider needs; keys are still encrypted. */
export interface ProviderSecrets extends Row {
  id: Uuid;
  provider_type: string;
  base_url: string | null;
  options: Record<string, unknown> | null;
  api_key_encrypted: unknown;
  credentials_encrypted: unknown;
}

export async function findProviderSecrets(db: Queryable, orgId: Uuid, id: Uuid): Promise<ProviderSecrets | null> {
  return (await db.run<ProviderSecrets>(SECRETS, [orgId, id]))[0] ?? null;
}

/** Only at the vendors' own addresses: servers of people's own are asked when people ask. New providers wait for their first time, too. */
const DUE: Statement = {
  name: 'providers_due_for_sync',
  text: `select p.id, p.org_id as "orgId" from providers p
    where p.deleted_at is null and p.status = 'active' and p.base_url is null and p.provider_type <> 'llmsim' and p.api_key_encrypted is not null
      and coalesce(p.last_synced_at, p.created_at) < clock_timestamp() - $1::int * interval '1 hour'
    order by coalesce(p.last_synced_at, p.created_at) limit $2`,
};

export async function providersDueForSync(
  db: Queryable,
  { everyHours, limit }: { everyHours: number; limit: number },
): Promise<{ id: Uuid; orgId: Uuid }[]> {
  return db.run<{ id: Uuid; orgId: Uuid }>(DUE, [everyHours, limit]);
}

export async function listProviders(db: Queryable, orgId: Uuid): Promise<ProviderRow[]> {
  return db.run<ProviderRow>(LIST, [orgId]);
}

export async function findProvider(db: Queryable, orgId: Uuid, id: Uuid): Promise<ProviderRow | null> {
  return (await db.run<ProviderRow>(FIND, [orgId, id]))[0] ?? null;
}

export async function insertProvider(
  db: Queryable,
  provider: { id: Uuid; orgId: Uuid; fields: ProviderFields },
): Promise<ProviderRow | 'taken'> {
  const values = [provider.id, provider.orgId, JSON.stringify(provider.fields)];
  const rows = await unlessTaken(['providers_name'], () => db.run<ProviderRow>(INSERT, values));
  return rows === 'taken' ? rows : (rows[0] as ProviderRow);
}

export async function updateProvider(
  db: Queryable,
  orgId: Uuid,
  id: Uuid,
  changes: Partial<ProviderFields>,
): Promise<ProviderRow | 'taken' | null> {
  const rows = await unlessTaken(['providers_name'], () => db.run<ProviderRow>(UPDATE, [orgId, id, JSON.stringify(changes)]));
  return rows === 'taken' ? rows : (rows[0] ?? null);
}

export async function deleteProvider(db: Queryable, orgId: Uuid, id: Uuid): Promise<boolean> {
  return (await db.run(DELETE, [orgId, id])).length > 0;
}
