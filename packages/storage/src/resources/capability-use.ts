import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';

/** How many active building blocks of an organization name a capability themselves. */
export interface CapabilityUse {
  agents: number;
  harnesses: number;
}

const COUNT: Statement = {
  name: 'capability_use',
  text: `with named as (
      select 'agent' as kind, jsonb_path_query(capabilities, '$[*].ref') #>> '{}' as ref from agents where org_id = $1 and status = 'active'
      union all
      select 'harness', jsonb_path_query(capabilities, '$[*].ref') #>> '{}' from harnesses where org_id = $1 and status = 'active')
    select ref, count(*) filter (where kind = 'agent') as agents, count(*) filter (where kind = 'harness') as harnesses from named group by ref`,
};

/** By capability id; one that nothing names is not in it. */
export async function countCapabilityUse(db: Queryable, orgId: Uuid): Promise<Map<string, CapabilityUse>> {
  const rows = await db.run<CapabilityUse & Row & { ref: string }>(COUNT, [orgId]);
  return new Map(rows.map(({ ref, agents, harnesses }) => [ref, { agents, harnesses }]));
}
