import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import type { BuildingBlockState } from './harnesses.ts';

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
}

/** Harness: as named, else the agent's, else the organization's default if it is active, else its base. */
const FIND: Statement = {
  name: 'session_parts',
  text: `with a as (
      select id, name, status, harness_id from agents
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
    )
    select (select to_jsonb(h) from h) as harness, (select to_jsonb(a) from a) as agent,
      (select jsonb_build_object('id', id) from models where org_id = $1 and id = $6 and deleted_at is null) as model,
      (select jsonb_build_object('id', id, 'status', status) from workspaces where org_id = $1 and id = $7 and status <> 'deleted') as workspace`,
};

export async function findSessionParts(db: Queryable, query: SessionPartsQuery): Promise<SessionParts> {
  const { orgId, harnessId, harnessName, agentId, agentName, modelId, workspaceId } = query;
  const rows = await db.run<SessionParts & Row>(FIND, [orgId, harnessId, harnessName, agentId, agentName, modelId, workspaceId]);
  return rows[0] as SessionParts;
}
