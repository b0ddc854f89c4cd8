import { toPublicId } from '@everruns/contract';
import type { SessionStateDetail, Uuid } from '@everruns/contract';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import type { SessionFields } from '../resources/sessions.ts';
import { endPromise, promiseSession } from '../resources/session-limit.ts';
import { copyContents, copyEvents } from './copy.ts';
import { copySecrets, prepareKeys } from './secrets.ts';
import type { Reseal } from './secrets.ts';

/**
 * A session made from another one's log and contents, in one transaction that sees one moment of all of them. Nothing of the source is locked: its
 * events never change, and it goes on meanwhile.
 */
const ONE_MOMENT: Statement = { name: 'fork_snapshot', text: 'set transaction isolation level repeatable read' };

const SOURCE: Statement = {
  name: 'fork_source',
  text: `select h.turn_id, h.status, h.first_seq, h.last_seq, s.workspace_id from session_heads h join sessions s on s.id = h.session_id
    where h.session_id = $1 and h.org_id = $2 and s.deleted_at is null`,
};

/** The end of the turn that holds the message: there, every call of the turn has its result. A result's message has the id of its event. */
const CUT: Statement = {
  name: 'fork_cut',
  text: `with m as (
      select seq from events where session_id = $1 and type in ('input.message', 'output.message.completed', 'tool.completed')
        and case type when 'tool.completed' then id = $3::uuid else data #>> '{message,id}' = $2 end order by seq limit 1
    ), z as (
      select (select e.seq from events e where e.session_id = $1 and e.seq >= m.seq
        and e.type in ('turn.completed', 'turn.failed', 'turn.cancelled', 'turn.sealed') order by e.seq limit 1) as seq from m
    )
    select z.seq + (exists (select 1 from events i where i.session_id = $1 and i.seq = z.seq + 1 and i.type = 'session.idled'))::int as seq from z`,
};

/** As a session is made, but with the source's place in its own log. `$4`: source, `$5`: last sequence that is copied. */
const INSERT: Statement = {
  name: 'fork_insert',
  text: `with s as (
      insert into sessions (id, org_id, harness_id, agent_id, workspace_id, owner_user_id, title, goal, system_prompt, locale, timezone, model_id,
        capabilities, tools, initial_files, mcp_servers, tags, hints, max_iterations, parallel_tool_calls, network_access, source,
        forked_from_session_id, forked_from_sequence, created_at, updated_at)
      select $1, $2, f.harness_id, f.agent_id, f.workspace_id, f.owner_user_id, f.title, f.goal, f.system_prompt, f.locale, f.timezone, f.model_id,
        f.capabilities, f.tools, f.initial_files, f.mcp_servers, f.tags, f.hints, f.max_iterations, f.parallel_tool_calls, f.network_access, f.source,
        $4, $5, now.ts, now.ts
      from jsonb_populate_record(null::sessions, $3) f cross join (select engine_now() as ts) now
      returning id, org_id, workspace_id, owner_user_id, agent_id, created_at
    ), w as (
      insert into workspaces (id, org_id, session_id) select workspace_id, org_id, id from s
    ), h as (
      insert into session_heads (session_id, org_id, first_seq, last_seq, last_input_seq, last_ts, status)
      select s.id, s.org_id, o.first_seq, $5, coalesce((
          select i.seq from events i where i.session_id = $4 and i.seq <= $5 and i.type = 'input.message' order by i.seq desc limit 1), 0),
        (select e.ts from events e where e.session_id = $4 and e.seq = $5), 'started'
      from s cross join session_heads o where o.session_id = $4
    ), p as (
      insert into session_participants (id, session_id, org_id, kind, role, subject_id, joined_at)
      select uuidv7(), s.id, s.org_id, x.kind, x.role, x.subject_id, s.created_at
      from s, lateral (
        select 'user' as kind, 'member' as role, s.owner_user_id as subject_id
        union all select 'agent', 'host', s.agent_id where s.agent_id is not null
        union all select o.kind, o.role, o.subject_id from session_participants o where o.session_id = $4 and o.left_at is null and o.role = 'member'
          and (o.kind, o.subject_id) not in (('user', s.owner_user_id), ('agent', coalesce(s.agent_id, s.id)))) x
    )
    select id from s`,
};

export interface Fork {
  orgId: Uuid;
  sourceId: Uuid;
  /** The new session's. */
  id: Uuid;
  /** The workspace in it is a new one. */
  fields: SessionFields;
  /** The last message that comes along; null for all of them. */
  throughMessage: Uuid | null;
  /** Most sessions of the organization; 0 = no limit. */
  limit: number;
  /** Binds a secret's ciphertext to its new place. */
  reseal: Reseal;
}

export type ForkVerdict = 'ok' | 'gone' | 'running' | 'unknown_message' | 'limit';

interface SourceRow extends Row {
  turn_id: Uuid | null;
  status: SessionStateDetail;
  first_seq: number;
  last_seq: number;
  workspace_id: Uuid;
}

/** All of it or nothing. */
export async function forkSession(db: Database, fork: Fork): Promise<ForkVerdict> {
  const { id, orgId, limit } = fork;
  if (limit > 0 && !(await promiseSession(db, { id, orgId }, limit))) return 'limit';
  let verdict: ForkVerdict | null = null;
  try {
    await prepareKeys(db, fork, fork.reseal);
    verdict = await copied(db, fork);
    return verdict;
  } finally {
    // A copy has kept the promise; one that was not made gives the place back, at the latest when the promise is over.
    if (limit > 0 && verdict !== 'ok') await endPromise(db, id).catch(() => undefined);
  }
}

function copied(db: Database, fork: Fork): Promise<ForkVerdict> {
  return db.transaction(async (tx) => {
    await tx.run(ONE_MOMENT);
    const { orgId, sourceId, id, fields } = fork;
    const [source] = await tx.run<SourceRow>(SOURCE, [sourceId, orgId]);
    if (source === undefined) return 'gone';
    if (source.turn_id !== null) return 'running';
    const through = await lastSequence(tx, fork, source);
    if (through === null) return 'unknown_message';
    await tx.run(INSERT, [id, orgId, JSON.stringify(fields), sourceId, through]);
    if (fork.limit > 0) await endPromise(tx, id);
    const range = { first: source.first_seq, through };
    await copyEvents(tx, { sourceId, id, range, started: startOf(fork, through) });
    await copyContents(tx, { orgId, sourceId, id, sourceWorkspaceId: source.workspace_id, workspaceId: fields.workspace_id });
    await copySecrets(tx, { orgId, sourceId, id }, fork.reseal);
    return 'ok';
  });
}

/** Null when the message is not one of the session's. */
async function lastSequence(tx: Queryable, { sourceId, throughMessage }: Fork, source: SourceRow): Promise<number | null> {
  if (throughMessage === null) return source.last_seq;
  const [cut] = await tx.run<{ seq: number | null }>(CUT, [sourceId, toPublicId('message', throughMessage), throughMessage]);
  return cut === undefined ? null : (cut.seq ?? source.last_seq);
}

/** What the first event of the new session says instead of what the source's says. */
function startOf({ sourceId, fields }: Fork, through: number): Record<string, unknown> {
  return {
    harness_id: toPublicId('harness', fields.harness_id),
    ...(fields.agent_id === null ? {} : { agent_id: toPublicId('agent', fields.agent_id) }),
    ...(fields.model_id === null ? {} : { model_id: toPublicId('model', fields.model_id) }),
    forked_from_session_id: toPublicId('session', sourceId),
    forked_from_sequence: through,
  };
}
