import type { CapabilityRef, DurableEvent, SessionStateDetail, ToolDefinition, Uuid } from '@everruns/contract';
import { toPublicId } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import { lockLimit } from '../limits.ts';
import { sessionsOf } from './session-limit.ts';
import type { UsageTotals } from './agents.ts';
import { toPage } from './pages.ts';
import type { Page, PageRow } from './pages.ts';
import { filterValues, MATCHES_FILTER } from './session-filter.ts';
import type { SessionFilter, SessionOrder } from './session-filter.ts';

export interface SessionFields {
  harness_id: Uuid;
  agent_id: Uuid | null;
  workspace_id: Uuid;
  owner_user_id: Uuid;
  title: string | null;
  goal: string | null;
  system_prompt: string | null;
  locale: string | null;
  timezone: string | null;
  model_id: Uuid | null;
  capabilities: CapabilityRef[];
  tools: ToolDefinition[];
  initial_files: unknown[];
  mcp_servers: Record<string, unknown> | null;
  tags: string[];
  hints: Record<string, unknown> | null;
  max_iterations: number | null;
  parallel_tool_calls: boolean | null;
  network_access: Record<string, unknown> | null;
  source: string;
}

/** A session with what its head and its log say of it. */
export interface SessionRow extends SessionFields, UsageTotals, Row {
  id: Uuid;
  org_id: Uuid;
  created_at: Date;
  updated_at: Date;
  parent_session_id: Uuid | null;
  forked_from_session_id: Uuid | null;
  forked_from_sequence: number | null;
  status: SessionStateDetail;
  turn_id: Uuid | null;
  last_ts: Date;
  is_pinned: boolean;
  active_schedule_count: number;
  started_at: Date | null;
  preview: string | null;
  output_preview: string | null;
  /** How and when the last ended turn ended. */
  last_end: string | null;
  last_end_at: Date | null;
  archived_at: Date | null;
  /** Ids of the capabilities that its harness chain, its agent and itself name. */
  capability_refs: string[];
  /** Does any of them bring starter files? */
  has_files: boolean;
}

const FIELDS = `harness_id, agent_id, workspace_id, owner_user_id, title, goal, system_prompt, locale, timezone, model_id, capabilities, tools,
  initial_files, mcp_servers, tags, hints, max_iterations, parallel_tool_calls, network_access, source`;
const FIELD_LIST = FIELDS.split(',').map((column) => column.trim());
const PREVIEW_CHARS = 200;
/** The first text of a message event, shortened. */
const textOf = (data: string): string =>
  `left(jsonb_path_query_first(${data}, '$.message.content[*] ? (@.type == "text").text') #>> '{}', ${PREVIEW_CHARS})`;

/** What the tiers of a session name, for what is computed when it is read. */
const TIERS = `(with recursive chain as (
      select x.parent_harness_id, x.capabilities, x.initial_files, 0 as depth from harnesses x where x.org_id = s.org_id and x.id = s.harness_id
      union all
      select x.parent_harness_id, x.capabilities, x.initial_files, c.depth + 1
      from chain c join harnesses x on x.org_id = s.org_id and x.id = c.parent_harness_id where c.depth < 31
    ), tiers as (
      select capabilities, initial_files, 2 + depth as rank from chain
      union all select a.capabilities, a.initial_files, 1 from agents a where a.org_id = s.org_id and a.id = s.agent_id
      union all select s.capabilities, s.initial_files, 0
    )
    select coalesce((select jsonb_agg(ref order by rank desc) from tiers t, jsonb_path_query(t.capabilities, '$[*].ref') ref), '[]') as capability_refs,
      exists (select from tiers where initial_files <> '[]') as has_files)`;

/** `s` is a session, `$user` the caller for pins. Three look-ups in partial indexes of the log per row. */
const view = (user: string): string => `select ${FIELD_LIST.map((column) => `s.${column}`).join(', ')}, s.id, s.org_id, s.created_at,
    greatest(s.updated_at, h.last_ts) as updated_at, s.parent_session_id, o.id as forked_from_session_id,
    case when o.id is not null then s.forked_from_sequence end as forked_from_sequence,
    s.archived_at, n.capability_refs, n.has_files,
    h.status, h.turn_id, h.last_ts, h.input_tokens, h.output_tokens, h.cache_read_tokens, h.cache_creation_tokens, h.cost_usd,
    exists (select from session_pins p where p.user_id = ${user} and p.session_id = s.id) as is_pinned,
    (select count(*) from session_schedules c where c.session_id = s.id and c.enabled and c.next_at is not null) as active_schedule_count,
    f.ts as started_at, ${textOf('f.data')} as preview, ${textOf('l.data')} as output_preview, t.type as last_end, t.ts as last_end_at
  from sessions s join session_heads h on h.session_id = s.id
    left join sessions o on o.id = s.forked_from_session_id and o.deleted_at is null
    cross join lateral ${TIERS} n
    left join lateral (select e.ts, e.data from events e where e.session_id = s.id and e.type = 'input.message' order by e.seq limit 1) f on true
    left join lateral (select e.data from events e where e.session_id = s.id and e.type = 'output.message.completed'
      order by e.seq desc limit 1) l on true
    left join lateral (select e.type, e.ts from events e where e.session_id = s.id
      and e.type in ('turn.completed', 'turn.failed', 'turn.cancelled', 'turn.sealed') order by e.seq desc limit 1) t on true`;

const FIND: Statement = { name: 'session_find', text: `${view('$3')} where s.id = $2 and s.org_id = $1 and s.deleted_at is null` };
const listBy = (order: SessionOrder, column: string): Statement => ({
  name: `session_list_by_${order}`,
  text: `with f as materialized (
      select s.id, ${column} as place from sessions s join session_heads h on h.session_id = s.id where ${MATCHES_FILTER}
    ), wanted as (
      select id, place from f order by place desc, id desc offset $10 limit $11
    ), page as (
      ${view('$2')} where s.org_id = $1 and s.id in (select id from wanted)
    )
    select t.total, page.* from (select count(*) as total from f) t left join (page join wanted using (id)) on true order by wanted.place desc, page.id desc`,
});
const LISTS: Readonly<Record<SessionOrder, Statement>> = {
  created: listBy('created', 's.created_at'),
  last_activity: listBy('last_activity', 'greatest(s.updated_at, h.last_ts)'),
};
/** Session, workspace, head and first event are one statement: a session without a log does not exist. */
const INSERT: Statement = {
  name: 'session_insert',
  text: `with s as (
      insert into sessions (id, org_id, ${FIELDS}, created_at, updated_at)
      select $1, $2, ${FIELDS}, now.ts, now.ts from jsonb_populate_record(null::sessions, $3) cross join (select engine_now() as ts) now
      where $5 = 0 or ${sessionsOf('$2', '$1')} < $5
      returning id, org_id, harness_id, agent_id, model_id, workspace_id, owner_user_id, created_at
    ), w as (
      insert into workspaces (id, org_id, session_id) select workspace_id, org_id, id from s on conflict (id) do nothing
    ), p as (
      insert into session_participants (id, session_id, org_id, kind, role, subject_id, joined_at)
      select uuidv7(), s.id, s.org_id, p.kind, p.role, p.subject_id, s.created_at
      from s, lateral (values ('user', 'member', s.owner_user_id), ('agent', 'host', s.agent_id)) as p (kind, role, subject_id)
      where p.subject_id is not null
    ), h as (
      insert into session_heads (session_id, org_id, last_seq, last_ts, status) select id, org_id, 1, created_at, 'started' from s
    ), e as (
      insert into events (session_id, seq, id, type, ts, context, data)
      select id, 1, event_id(created_at, id, 1, $4), 'session.started', created_at, '{}', jsonb_strip_nulls(jsonb_build_object(
        'harness_id', public_id('harness', harness_id), 'agent_id', public_id('agent', agent_id), 'model_id', public_id('model', model_id)))
      from s
    )
    select id from s`,
};
const UPDATE: Statement = {
  name: 'session_update',
  text: `with h as materialized (
      select session_id, last_seq, last_ts from session_heads where session_id = $2 and org_id = $1 for update
    ), n as materialized (
      select h.last_seq + 1 as seq, greatest(engine_now(), h.last_ts) as ts, s.title as old_title, n.id, n.title, n.tags, n.locale, n.timezone
      from h join sessions s on s.id = h.session_id cross join lateral jsonb_populate_record(s, $3) n
      where s.deleted_at is null for update of s
    ), renamed as materialized (
      select id, seq, ts, title, old_title from n where title is not null and title is distinct from old_title
    ), u as (
      update sessions s set title = n.title, tags = n.tags, locale = n.locale, timezone = n.timezone, updated_at = n.ts from n where s.id = n.id
    ), e as (
      insert into events (session_id, seq, id, type, ts, context, data)
      select id, seq, event_id(ts, id, seq, $4), 'session.title.updated', ts, '{}', jsonb_build_object('title', title, 'previous_title', old_title)
      from renamed returning id, seq, ts, data
    ), y as (
      update session_heads h set last_seq = r.seq, last_ts = r.ts from renamed r where h.session_id = r.id
    )
    select n.id as session_id, e.id, e.seq, e.ts, e.data from n left join e on true`,
};
const EXISTS: Statement = { name: 'session_exists', text: 'select id from sessions where id = $2 and org_id = $1 and deleted_at is null' };
const PIN: Statement = {
  name: 'session_pin',
  text: `with s as (select id from sessions where id = $2 and org_id = $1 and deleted_at is null), p as (
      insert into session_pins (user_id, session_id) select $3, id from s on conflict do nothing) select id from s`,
};
const ARCHIVE: Statement = {
  name: 'session_archive',
  text: `with s as (
     update sessions set archived_at = case when $3 then coalesce(archived_at, engine_now()) end
     where id = $2 and org_id = $1 and deleted_at is null returning archived_at),
   c as (
     update session_containers set ended_at = engine_now(), due_at = engine_now()
     where session_id = $2 and org_id = $1 and ended_at is null and $3 and exists (select 1 from s))
   select archived_at from s`,
};
const UNPIN: Statement = {
  name: 'session_unpin',
  text: `with s as (select id from sessions where id = $2 and org_id = $1 and deleted_at is null), p as (
      delete from session_pins where user_id = $3 and session_id in (select id from s)) select id from s`,
};

export async function findSession(db: Queryable, at: { orgId: Uuid; userId: Uuid; id: Uuid }): Promise<SessionRow | null> {
  return (await db.run<SessionRow>(FIND, [at.orgId, at.id, at.userId]))[0] ?? null;
}

export interface SessionPageFilter extends SessionFilter {
  order: SessionOrder;
  offset: number;
  limit: number;
}

/** Newest first, by creation or by what happened last. */
export async function listSessions(db: Queryable, filter: SessionPageFilter): Promise<Page<SessionRow>> {
  const values = [...filterValues(filter), filter.offset, filter.limit];
  return toPage(await db.run<PageRow<SessionRow>>(LISTS[filter.order], values));
}

export interface NewSession {
  id: Uuid;
  orgId: Uuid;
  fields: SessionFields;
  /** Most sessions of the organization; 0 = no limit. */
  limit: number;
  /** Random bits of the first event's id. */
  noise: number;
}

/** Where sessions are limited they are counted, which needs a transaction. */
export async function insertSession(tx: Queryable, session: NewSession): Promise<'created' | 'limit'> {
  if (session.limit > 0) await lockLimit(tx, { what: 'sessions', of: session.orgId });
  const values = [session.id, session.orgId, JSON.stringify(session.fields), session.noise, session.limit];
  return (await tx.run(INSERT, values)).length > 0 ? 'created' : 'limit';
}

export type SessionChanges = Partial<Pick<SessionFields, 'title' | 'tags' | 'locale' | 'timezone'>>;

export interface SessionUpdate {
  orgId: Uuid;
  id: Uuid;
  changes: SessionChanges;
  noise: number;
}

interface UpdatedRow extends Row {
  session_id: Uuid;
  id: Uuid | null;
  seq: number;
  ts: Date;
  data: Record<string, unknown>;
}

/** The events that the change wrote (one for a new title), or null when the session is not there. */
export async function updateSession(db: Queryable, update: SessionUpdate): Promise<DurableEvent[] | null> {
  const [row] = await db.run<UpdatedRow>(UPDATE, [update.orgId, update.id, JSON.stringify(update.changes), update.noise]);
  if (row === undefined) return null;
  if (row.id === null) return [];
  return [
    {
      id: toPublicId('event', row.id),
      type: 'session.title.updated',
      ts: row.ts.toISOString(),
      session_id: toPublicId('session', row.session_id),
      context: {},
      data: row.data,
      sequence: row.seq,
    },
  ];
}

export async function sessionExists(db: Queryable, orgId: Uuid, id: Uuid): Promise<boolean> {
  return (await db.run(EXISTS, [orgId, id])).length > 0;
}

/** False when the session is not there. */
export async function setPin(db: Queryable, at: { orgId: Uuid; userId: Uuid; id: Uuid }, pinned: boolean): Promise<boolean> {
  return (await db.run(pinned ? PIN : UNPIN, [at.orgId, at.id, at.userId])).length > 0;
}

/** Puts a session aside or takes it back, and says since when it is aside; null when it is not there. */
export async function setArchived(db: Queryable, orgId: Uuid, id: Uuid, archived: boolean): Promise<{ archived_at: Date | null } | null> {
  return (await db.run<{ archived_at: Date | null } & Row>(ARCHIVE, [orgId, id, archived]))[0] ?? null;
}
