import type { ConfigLayer, Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import type { BuildingBlockState } from './harnesses.ts';
import { layerOf, tierColumns, type LayerRow, type ModelLevel } from './turn-config.ts';

/** How the caller of a session's creation names its parts. At most one of id and name is given for harness and agent. */
export interface SessionPartsQuery {
  orgId: Uuid;
  harnessId: Uuid | null;
  harnessName: string | null;
  agentId: Uuid | null;
  agentName: string | null;
  modelId: Uuid | null;
  workspaceId: Uuid | null;
}

/** Names nothing: with an organization, its default harness. */
export const NO_PARTS: Omit<SessionPartsQuery, 'orgId'> = {
  harnessId: null,
  harnessName: null,
  agentId: null,
  agentName: null,
  modelId: null,
  workspaceId: null,
};

export interface Part {
  id: Uuid;
  name: string;
  status: BuildingBlockState;
}

export interface SessionParts {
  harness: Part | null;
  agent: Part | null;
  model: { id: Uuid } | null;
  workspace: { id: Uuid; status: BuildingBlockState } | null;
  /** Harness root, ..., harness leaf, agent: what the session will stand on. */
  layers: ConfigLayer[];
  /** Models named below the session, most specific first. */
  modelLevels: ModelLevels;
}

export type ModelLevels = { level: ModelLevel; modelId: Uuid | null }[];

/** Harness: as named, else the agent's, else the organization's default if it is active, else its base. */
const FIND: Statement = {
  name: 'session_parts',
  text: `with recursive a as (
      select id, name, status, harness_id, default_model_id, tools, max_iterations, ${tierColumns('agents')} from agents
      where org_id = $1 and status <> 'deleted' and (id = $4 or name = $5)
    ), d as (
      select coalesce((select h.id from harnesses h where h.org_id = o.id and h.id = o.default_harness_id and h.status = 'active'),
        o.base_harness_id) as id
      from organizations o where o.id = $1
    ), h as (
      select id, name, status from harnesses
      where org_id = $1 and status <> 'deleted' and case
        when $2::uuid is not null then id = $2
        when $3::text is not null and $3 <> 'default' then name = $3
        when $3::text is null and (select harness_id from a) is not null then id = (select harness_id from a)
        else id = (select id from d) end
    ), chain as (
      select 0 as depth, x.id, x.name, x.parent_harness_id, x.default_model_id, x.embedder_metadata, ${tierColumns('x')} from h join harnesses x on x.id = h.id
      union all
      select c.depth + 1, x.id, x.name, x.parent_harness_id, x.default_model_id, x.embedder_metadata, ${tierColumns('x')}
      from chain c join harnesses x on x.org_id = $1 and x.id = c.parent_harness_id where c.depth < 31
    )
    select (select to_jsonb(h) from h) as harness, (select to_jsonb(a) from a) as agent,
      (select jsonb_agg(to_jsonb(c) order by c.depth desc) from chain c) as chain,
      (select default_model_id from organizations where id = $1) as org_model,
      (select jsonb_build_object('id', id) from models where org_id = $1 and id = $6 and deleted_at is null) as model,
      (select jsonb_build_object('id', id, 'status', status) from workspaces where org_id = $1 and id = $7 and status <> 'deleted') as workspace`,
};

type TierRow = Omit<LayerRow, 'status'> & { default_model_id: Uuid | null };

interface PartsRow extends Row, Omit<SessionParts, 'agent' | 'layers' | 'modelLevels'> {
  agent: (Part & TierRow) | null;
  chain: TierRow[] | null;
  org_model: Uuid | null;
}

export async function findSessionParts(db: Queryable, query: SessionPartsQuery): Promise<SessionParts> {
  const { orgId, harnessId, harnessName, agentId, agentName, modelId, workspaceId } = query;
  const [row] = await db.run<PartsRow>(FIND, [orgId, harnessId, harnessName, agentId, agentName, modelId, workspaceId]);
  const { harness, agent, model, workspace, org_model } = row as PartsRow;
  const chain = row?.chain ?? [];
  const layers = chain.map((ancestor) => layerOf('harness', ancestor));
  if (agent !== null) layers.push(layerOf('agent', agent));
  const modelLevels: ModelLevels = [
    { level: 'agent', modelId: agent?.default_model_id ?? null },
    ...chain.toReversed().map(({ default_model_id }) => ({ level: 'harness' as const, modelId: default_model_id })),
    { level: 'organization', modelId: org_model },
  ];
  return { harness, agent, model, workspace, layers, modelLevels };
}
