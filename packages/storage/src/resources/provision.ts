import type { CapabilityRef, Uuid } from '@everruns/contract';
import type { Queryable, Statement } from '../database.ts';

/** A harness that comes with the platform. It is addressed by its name; the row follows the code at every start. */
export interface BuiltInHarness {
  id: Uuid;
  name: string;
  display_name: string;
  description: string;
  system_prompt: string;
  capabilities: CapabilityRef[];
  tags: string[];
  /** Name of another built-in harness. */
  parent: string | null;
}

export interface SeedProvider {
  id: Uuid;
  name: string;
  provider_type: string;
}

export interface SeedModel {
  id: Uuid;
  provider_id: Uuid;
  model_id: string;
  display_name: string;
  capabilities: string[];
}

/** An agent that an installation starts with. From then on it is the organization's own. */
export interface SeedAgent {
  id: Uuid;
  name: string;
  display_name: string;
  description: string;
  system_prompt: string;
  capabilities: CapabilityRef[];
  tags: string[];
  mcp_servers: Record<string, unknown> | null;
}

/** A renamed or demoted built-in row of an organization gives way: `name` is the identity. */
const HARNESSES: Statement = {
  name: 'provision_harnesses',
  text: `insert into harnesses as h (id, org_id, name, display_name, description, system_prompt, capabilities, tags, is_built_in)
    select x.id, $1, x.name, x.display_name, x.description, x.system_prompt, x.capabilities, x.tags, true
    from jsonb_to_recordset($2) x(id uuid, name text, display_name text, description text, system_prompt text, capabilities jsonb, tags text[])
    on conflict (org_id, name) where status <> 'deleted' do update set display_name = excluded.display_name,
      description = excluded.description, system_prompt = excluded.system_prompt, capabilities = excluded.capabilities, tags = excluded.tags,
      is_built_in = true, status = 'active', archived_at = null, updated_at = clock_timestamp()
    where (h.display_name, h.description, h.system_prompt, h.capabilities, h.tags, h.is_built_in, h.status)
      is distinct from (excluded.display_name, excluded.description, excluded.system_prompt, excluded.capabilities, excluded.tags, true, 'active')`,
};
const PARENTS: Statement = {
  name: 'provision_parents',
  text: `update harnesses h set parent_harness_id = p.id
    from jsonb_to_recordset($2) x(name text, parent text)
      left join harnesses p on p.org_id = $1 and p.name = x.parent and p.is_built_in and p.status = 'active'
    where h.org_id = $1 and h.name = x.name and h.is_built_in and h.status = 'active' and h.parent_harness_id is distinct from p.id`,
};
/** Only for an organization that is new: a default that somebody cleared stays cleared. */
const DEFAULTS: Statement = {
  name: 'provision_defaults',
  text: `update organizations o set
      base_harness_id = coalesce(o.base_harness_id, (select id from harnesses where org_id = o.id and name = $2 and is_built_in and status = 'active')),
      default_harness_id = coalesce(o.default_harness_id, (select id from harnesses where org_id = o.id and name = $3 and is_built_in and status = 'active'))
    where o.id = $1 and o.base_harness_id is null`,
};
/** A tombstone or a row of the same name keeps its place, so what was removed or made by hand stays as it is. */
const PROVIDERS: Statement = {
  name: 'provision_providers',
  text: `insert into providers (id, org_id, name, provider_type, created_at)
    select x.id, $1, x.name, x.provider_type, clock_timestamp()
    from rows from (jsonb_to_recordset($2) as (id uuid, name text, provider_type text)) with ordinality x(id, name, provider_type, n)
    order by x.n
    on conflict do nothing`,
};
const MODELS: Statement = {
  name: 'provision_models',
  text: `insert into models (id, org_id, provider_id, model_id, display_name, capabilities, source, created_at)
    select x.id, $1, x.provider_id, x.model_id, x.display_name, x.capabilities, 'predefined', clock_timestamp()
    from rows from (jsonb_to_recordset($2) as (id uuid, provider_id uuid, model_id text, display_name text, capabilities text[]))
        with ordinality x(id, provider_id, model_id, display_name, capabilities, n)
      join providers p on p.id = x.provider_id and p.org_id = $1 and p.deleted_at is null
    order by x.n
    on conflict do nothing`,
};

/** Made once: one that was changed, renamed, archived or deleted stays as it is, because its row, if only a tombstone, keeps its id. */
const AGENTS: Statement = {
  name: 'provision_agents',
  text: `insert into agents (id, org_id, name, display_name, description, system_prompt, capabilities, tags, mcp_servers)
    select x.id, $1, x.name, x.display_name, x.description, x.system_prompt, x.capabilities, x.tags, x.mcp_servers
    from jsonb_to_recordset($2) x(id uuid, name text, display_name text, description text, system_prompt text, capabilities jsonb, tags text[],
      mcp_servers jsonb)
    on conflict do nothing`,
};

export interface ProvisionInput {
  orgId: Uuid;
  harnesses: readonly BuiltInHarness[];
  baseHarness: string;
  defaultHarness: string;
  agents: readonly SeedAgent[];
  providers: readonly SeedProvider[];
  models: readonly SeedModel[];
}

/** One instance after the other: two that find a fixed id free at once would both take it, and one of them would not start. */
const LOCK: Statement = {
  name: 'provision_lock',
  text: 'select id from organizations where id = $1 and deleted_at is null for no key update',
};

/** Brings one organization's built-in rows up to this version. Idempotent; several instances may do it at once. */
export async function provisionOrganization(tx: Queryable, input: ProvisionInput): Promise<void> {
  const harnesses = JSON.stringify(input.harnesses);
  // Closed meanwhile.
  if ((await tx.run(LOCK, [input.orgId])).length === 0) return;
  await tx.run(HARNESSES, [input.orgId, harnesses]);
  await tx.run(PARENTS, [input.orgId, harnesses]);
  await tx.run(DEFAULTS, [input.orgId, input.baseHarness, input.defaultHarness]);
  await tx.run(AGENTS, [input.orgId, JSON.stringify(input.agents)]);
  await tx.run(PROVIDERS, [input.orgId, JSON.stringify(input.providers)]);
  await tx.run(MODELS, [input.orgId, JSON.stringify(input.models)]);
}
