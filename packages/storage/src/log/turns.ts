import type { EventContext, Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import { toPage } from '../resources/pages.ts';
import type { Page, PageRow } from '../resources/pages.ts';

/** A turn as its first and last event tell it. */
export interface TurnRow extends Row {
  /** Public id, as the events write it. */
  id: string;
  first_seq: number;
  started_at: Date;
  started: Record<string, unknown>;
  /** Null while it runs. */
  end_type: string | null;
  last_seq: number | null;
  ended_at: Date | null;
  ended: Record<string, unknown> | null;
  workflow: { status: string; version: number; revision: number; open_calls: number } | null;
}

export interface StepRow extends Row {
  seq: number;
  type: 'reason.completed' | 'tool.completed';
  ts: Date;
  context: EventContext;
  data: Record<string, unknown>;
}

/**
 * A turn ends before the next one of its session starts, so its end is the first end after its start. The workflow is found by its own
 * id: written so that its session, which may have very many, is only compared.
 */
const TURN = `select b.data ->> 'turn_id' as id, b.seq as first_seq, b.ts as started_at, b.data as started,
    z.type as end_type, z.seq as last_seq, z.ts as ended_at, z.data as ended,
    (select jsonb_build_object('status', w.status, 'version', w.version, 'revision', w.revision, 'open_calls', w.open_calls)
      from workflows w
      where w.id = replace(b.data ->> 'turn_id', 'turn_', '')::uuid and w.session_id is not distinct from b.session_id) as workflow
  from b left join lateral (
    select e.seq, e.type, e.ts, e.data from events e
    where e.session_id = b.session_id and e.seq > b.seq and e.type in ('turn.completed', 'turn.failed', 'turn.cancelled', 'turn.sealed')
    order by e.seq limit 1) z on true`;
/** The page is taken from the index by the session's id alone, before anything is joined; `s` decides whether it is shown. */
const LIST: Statement = {
  name: 'turn_list',
  text: `with s as (select id from sessions where id = $2 and org_id = $1 and deleted_at is null), b as (
      select e.session_id, e.seq, e.ts, e.data from events e
      where e.session_id = $2 and e.type = 'turn.started' and exists (select 1 from s) order by e.seq desc offset $3 limit $4), page as (${TURN})
    select t.total, page.* from s
      cross join lateral (select count(*) as total from events e where e.session_id = s.id and e.type = 'turn.started') t
      left join page on true order by page.first_seq desc`,
};
/** From the newest on: a turn that somebody asks for is mostly a late one. */
const FIND: Statement = {
  name: 'turn_find',
  text: `with s as (select id from sessions where id = $2 and org_id = $1 and deleted_at is null), b as (
      select e.session_id, e.seq, e.ts, e.data from events e
      where e.session_id = $2 and e.type = 'turn.started' and e.data ->> 'turn_id' = $3 and exists (select 1 from s)
      order by e.seq desc limit 1)
    ${TURN}`,
};
const STEPS: Statement = {
  name: 'turn_steps',
  text: `select seq, type, ts, context, data - 'result' as data from events
    where session_id = $1 and seq > $2 and seq <= $3 and type in ('reason.completed', 'tool.completed') order by seq limit 2000`,
};

const MAX_SEQUENCE = 2_147_483_647;

/** Newest first; null when the session is not there. */
export async function listTurns(
  db: Queryable,
  query: { orgId: Uuid; sessionId: Uuid; offset: number; limit: number },
): Promise<Page<TurnRow> | null> {
  const rows = await db.run<PageRow<TurnRow>>(LIST, [query.orgId, query.sessionId, query.offset, query.limit]);
  return rows.length === 0 ? null : toPage(rows);
}

export interface TurnWithSteps {
  turn: TurnRow;
  steps: StepRow[];
}

export async function findTurn(db: Queryable, at: { orgId: Uuid; sessionId: Uuid; turnId: string }): Promise<TurnWithSteps | null> {
  const [turn] = await db.run<TurnRow>(FIND, [at.orgId, at.sessionId, at.turnId]);
  if (turn === undefined) return null;
  return { turn, steps: await db.run<StepRow>(STEPS, [at.sessionId, turn.first_seq, turn.last_seq ?? MAX_SEQUENCE]) };
}
