import type { Uuid } from '@everruns/contract';
import type { HistoryEvent, TaskDraft, WorkflowStatus } from '@everruns/engine';
import type { Queryable, Statement } from '../database.ts';
import { storableJson } from '../json.ts';
import { taskJson } from './plan-json.ts';

/** Workflows that ask a provider for its catalogue. Their head and log stand under the workflow's own id, beside no session. */

const START: Statement = {
  name: 'start_catalogue',
  text: `with h as (insert into session_heads (session_id, org_id, turn_id, status) values ($1, $2, $1, 'active')),
   w as (insert into workflows (id, org_id, session_id, kind, version, status, state, revision) values ($1, $2, $1, 'catalogue', $3, 'running', $4::jsonb, 1)),
   we as (insert into workflow_events (workflow_id, revision, n, type, data)
     select $1, 1, e.n - 1, e.event->>'type', e.event->'data' from jsonb_array_elements($5::jsonb) with ordinality e(event, n))
   insert into ready (id, org_id, session_id, workflow_id, pool, priority, step, call_id, effect, payload, start_by)
   select r.id, $2, $1, $1, r.pool, r.priority, r.step, r.call_id, r.effect, r.payload,
     engine_now() + (r.payload#>>'{options,scheduleToStartMs}')::int * interval '1 millisecond'
   from jsonb_to_record($6::jsonb) as r(id uuid, pool text, priority int, step int, call_id text, effect text, payload jsonb)
   returning id`,
};

const FIND: Statement = {
  name: 'catalogue_by_id',
  text: `select status, state from workflows where id = $1 and org_id = $2 and kind = 'catalogue'`,
};

/** The head and the log go at once; the workflow stays as long as others do, without what the provider said. */
const FORGET: Statement = {
  name: 'forget_catalogue',
  text: `with w as (
     update workflows set state = jsonb_set(state, '{catalogue,result}', 'null') where id = any(array(
       select id from workflows where kind = 'catalogue' and ended_at is not null and id = $1 for update)) returning id),
   h as (delete from session_heads where session_id in (select id from w))
   delete from events where session_id in (select id from w)`,
};

export interface StartCatalogueCommand {
  id: Uuid;
  orgId: Uuid;
  version: number;
  state: unknown;
  history: HistoryEvent[];
  task: TaskDraft;
}

export async function startCatalogueWorkflow(db: Queryable, command: StartCatalogueCommand): Promise<void> {
  const { id, orgId, version, state, history, task } = command;
  await db.run(START, [id, orgId, version, storableJson(state), storableJson(history), storableJson(taskJson(task))]);
}

export async function findCatalogue(db: Queryable, orgId: Uuid, id: Uuid): Promise<{ status: WorkflowStatus; state: unknown } | null> {
  return (await db.run<{ status: WorkflowStatus; state: unknown }>(FIND, [id, orgId]))[0] ?? null;
}

/** Only one that has ended. */
export async function forgetCatalogue(db: Queryable, id: Uuid): Promise<void> {
  await db.run(FORGET, [id]);
}
