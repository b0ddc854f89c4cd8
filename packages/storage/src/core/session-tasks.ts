import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import { storableJson } from '../json.ts';

/**
 * Tasks of sessions: work that goes on beside a conversation. A task's row is written under the head of the session that it belongs to; the session or
 * the workflow that does the work tells by timers (`task_report`), never by writing here.
 */

export type SessionTaskState = 'queued' | 'running' | 'awaiting_input' | 'succeeded' | 'failed' | 'canceled';
export const ENDED_TASK_STATES: ReadonlySet<SessionTaskState> = new Set(['succeeded', 'failed', 'canceled']);

export interface SessionTaskFields {
  kind: string;
  display_name: string;
  state: SessionTaskState;
  state_detail: string | null;
  summary: string | null;
  spec: Record<string, unknown>;
  progress: Record<string, unknown> | null;
  error: { kind: string; message: string } | null;
  input_request: Record<string, unknown> | null;
  artifacts: Record<string, unknown>[];
  child_session_id: Uuid | null;
  run_id: Uuid | null;
  depth: number;
  lifetime: 'linked' | 'detached';
  wake_policy: 'silent' | 'on_terminal' | 'on_activity';
  result: unknown;
  result_path: string | null;
}

export interface SessionTaskRow extends SessionTaskFields, Row {
  id: Uuid;
  org_id: Uuid;
  session_id: Uuid;
  root_session_id: Uuid;
  attempt: number;
  cancel_requested_at: Date | null;
  created_at: Date;
  updated_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
}

const FIELDS =
  `kind, display_name, state, state_detail, summary, spec, progress, error, input_request, artifacts, child_session_id, run_id, depth, lifetime, wake_policy,
  result, result_path`
    .split(',')
    .map((column) => column.trim());
const CHANGEABLE = [...FIELDS, 'cancel_requested_at'].filter((name) => !['kind', 'child_session_id', 'run_id', 'depth'].includes(name));
const STAMPS = ['attempt', 'cancel_requested_at', 'created_at', 'updated_at', 'started_at', 'finished_at'];
const COLUMNS = ['id', 'org_id', 'session_id', 'root_session_id', ...FIELDS, ...STAMPS];
const columnsOf = (row: string): string => COLUMNS.map((column) => `${row}.${column}`).join(', ');
const COLUMN_LIST = COLUMNS.join(', ');
const LIVE = `('queued', 'running', 'awaiting_input')`;

const INSERT: Statement = {
  name: 'session_task_insert',
  text: `insert into session_tasks (id, org_id, session_id, root_session_id, ${FIELDS.join(', ')}, started_at)
    select $1, $2, $3, $4, ${FIELDS.join(', ')}, engine_now() from jsonb_populate_record(null::session_tasks, $5) returning ${COLUMN_LIST}`,
};

const FIND: Statement = {
  name: 'session_task_find',
  text: `select ${COLUMN_LIST} from session_tasks where id = $2 and org_id = $1 and ($3::uuid is null or session_id = $3)`,
};
const NEWEST: Statement = {
  name: 'session_task_newest',
  text: `select ${COLUMN_LIST} from session_tasks where org_id = $1 and session_id = $2 order by created_at desc, id desc limit 1`,
};
const OF_CHILD: Statement = { name: 'session_task_of_child', text: `select ${COLUMN_LIST} from session_tasks where child_session_id = $1` };
const LOCK: Statement = { name: 'session_task_lock', text: `select ${COLUMN_LIST} from session_tasks where id = $1 for update` };

const UPDATE: Statement = {
  name: 'session_task_update',
  text: `update session_tasks t set ${CHANGEABLE.map((name) => `${name} = n.${name}`).join(', ')}, updated_at = engine_now(),
      finished_at = case when n.state in ${LIVE} then null else coalesce(t.finished_at, engine_now()) end
    from session_tasks o, lateral jsonb_populate_record(o, $2) n where o.id = $1 and t.id = o.id returning ${columnsOf('t')}`,
};

/** The list has no pages. */
const MOST_LISTED = 1_000;

const LIST: Statement = {
  name: 'session_tasks_list',
  text: `with newest as (
     select ${COLUMN_LIST} from session_tasks where org_id = $1 and session_id = $2 and ($3::text is null or state = $3) and ($4::text is null or kind = $4)
     order by created_at desc, id desc limit ${MOST_LISTED})
   select ${COLUMN_LIST} from newest order by created_at, id`,
};

const LIST_ORG: Statement = {
  name: 'session_tasks_list_org',
  text: `select ${columnsOf('t')} from session_tasks t join sessions s on s.id = t.session_id and s.deleted_at is null
    where t.org_id = $1 and ($2::text is null or t.state = $2) and ($3::text is null or t.kind = $3) and ($4::timestamptz is null or t.created_at > $4)
      and ($5::uuid is null or t.root_session_id = $5) order by t.created_at desc, t.id desc limit $6`,
};

/** One spawning at a time in a tree, or two of them would not see each other. Taken behind the head, and no head is taken behind it. */
const LOCK_TREE: Statement = {
  name: 'session_task_lock_tree',
  text: `select pg_advisory_xact_lock(hashtextextended('task-tree:' || $1::text, 0))`,
};

const TREE: Statement = {
  name: 'session_task_tree',
  text: `select count(*)::int as total, count(*) filter (where state in ${LIVE})::int as active from session_tasks where root_session_id = $1 and kind = $2`,
};

/** Where a session stands in its tree: 0 for one that nobody spawned. */
const PLACE: Statement = {
  name: 'session_task_place',
  text: `select coalesce(t.depth, 0) as depth, coalesce(t.root_session_id, s.id) as root, s.harness_id, s.agent_id, s.workspace_id, s.owner_user_id, s.locale, s.timezone,
      s.model_id, s.network_access, s.mcp_servers
    from sessions s left join session_tasks t on t.child_session_id = s.id where s.id = $2 and s.org_id = $1 and s.deleted_at is null`,
};

const ADOPT: Statement = {
  name: 'session_child_of',
  text: `update sessions set parent_session_id = $2, root_session_id = $3, source = 'subagent' where id = $1`,
};

export interface NewSessionTask {
  id: Uuid;
  orgId: Uuid;
  sessionId: Uuid;
  rootSessionId: Uuid;
  fields: SessionTaskFields;
}

export async function insertSessionTask(tx: Queryable, task: NewSessionTask): Promise<SessionTaskRow> {
  const values = [task.id, task.orgId, task.sessionId, task.rootSessionId, storableJson(task.fields)];
  return (await tx.run<SessionTaskRow>(INSERT, values))[0] as SessionTaskRow;
}

export interface SessionTaskKey {
  orgId: Uuid;
  id: Uuid;
  /** Absent: of any session of the organization. */
  sessionId?: Uuid;
}

export async function findSessionTask(db: Queryable, { orgId, id, sessionId }: SessionTaskKey): Promise<SessionTaskRow | null> {
  return (await db.run<SessionTaskRow>(FIND, [orgId, id, sessionId ?? null]))[0] ?? null;
}

const LIVE_MONITOR: Statement = {
  name: 'session_monitor_live',
  text: `select 1 from session_tasks where session_id = $1 and kind = 'monitor' and state in ${LIVE} and spec->>'schedule_id' = $2 limit 1`,
};
const LAST_MONITOR: Statement = {
  name: 'session_monitor_last',
  text: `select ${COLUMN_LIST} from session_tasks where session_id = $1 and kind = 'monitor' and spec->>'schedule_id' = $2 and id <> $3 and finished_at is not null
    order by created_at desc, id desc limit 1`,
};

/** Is a run of this schedule under way? */
export async function findLiveMonitorRun(db: Queryable, at: { sessionId: Uuid; scheduleId: string }): Promise<boolean> {
  return (await db.run(LIVE_MONITOR, [at.sessionId, at.scheduleId])).length > 0;
}

/** The run of a schedule that ended before this one. */
export async function lastMonitorRun(
  db: Queryable,
  run: Pick<SessionTaskRow, 'id' | 'session_id' | 'spec'>,
): Promise<SessionTaskRow | null> {
  const [row] = await db.run<SessionTaskRow>(LAST_MONITOR, [run.session_id, run.spec['schedule_id'] ?? null, run.id]);
  return row ?? null;
}

export async function newestSessionTask(db: Queryable, at: { orgId: Uuid; sessionId: Uuid }): Promise<SessionTaskRow | null> {
  return (await db.run<SessionTaskRow>(NEWEST, [at.orgId, at.sessionId]))[0] ?? null;
}

/** The task that a session does for another one. */
export async function taskOfChild(db: Queryable, childSessionId: Uuid): Promise<SessionTaskRow | null> {
  return (await db.run<SessionTaskRow>(OF_CHILD, [childSessionId]))[0] ?? null;
}

/** To be decided about under the head of its session, which the caller holds. */
export async function lockSessionTask(tx: Queryable, id: Uuid): Promise<SessionTaskRow | null> {
  return (await tx.run<SessionTaskRow>(LOCK, [id]))[0] ?? null;
}

export type SessionTaskChanges = Partial<SessionTaskFields> & { cancel_requested_at?: string };

export async function updateSessionTask(tx: Queryable, id: Uuid, changes: SessionTaskChanges): Promise<SessionTaskRow> {
  return (await tx.run<SessionTaskRow>(UPDATE, [id, storableJson(changes)]))[0] as SessionTaskRow;
}

export interface SessionTaskFilter {
  state: string | null;
  kind: string | null;
}

/** Of one session, oldest first; of very many the newest 1,000. */
export function listSessionTasks(
  db: Queryable,
  { orgId, sessionId, state, kind }: SessionTaskFilter & { orgId: Uuid; sessionId: Uuid },
): Promise<SessionTaskRow[]> {
  return db.run<SessionTaskRow>(LIST, [orgId, sessionId, state, kind]);
}

/** Of an organization, newest first. */
export function listOrgTasks(
  db: Queryable,
  filter: SessionTaskFilter & { orgId: Uuid; createdAfter: Date | null; rootSessionId: Uuid | null; limit: number },
): Promise<SessionTaskRow[]> {
  const { orgId, state, kind, createdAfter, rootSessionId, limit } = filter;
  return db.run<SessionTaskRow>(LIST_ORG, [orgId, state, kind, createdAfter, rootSessionId, limit]);
}

/** Tasks of a tree, exact until the transaction ends: others that count wait. */
export async function countTree(tx: Queryable, rootSessionId: Uuid, kind: string): Promise<{ total: number; active: number }> {
  await tx.run(LOCK_TREE, [rootSessionId]);
  return (await tx.run<{ total: number; active: number }>(TREE, [rootSessionId, kind]))[0] as { total: number; active: number };
}

/** What a child has from the session that spawns it. */
export interface ParentRow extends Row {
  depth: number;
  root: Uuid;
  harness_id: Uuid;
  agent_id: Uuid | null;
  workspace_id: Uuid;
  owner_user_id: Uuid;
  locale: string | null;
  timezone: string | null;
  model_id: Uuid | null;
  network_access: Record<string, unknown> | null;
  mcp_servers: Record<string, unknown> | null;
}

export async function findParent(db: Queryable, at: { orgId: Uuid; sessionId: Uuid }): Promise<ParentRow | null> {
  return (await db.run<ParentRow>(PLACE, [at.orgId, at.sessionId]))[0] ?? null;
}

export async function markAsChild(tx: Queryable, at: { id: Uuid; parentId: Uuid; rootId: Uuid }): Promise<void> {
  await tx.run(ADOPT, [at.id, at.parentId, at.rootId]);
}

const ADD_MESSAGE: Statement = {
  name: 'session_task_message_insert',
  text: `insert into session_task_messages (id, task_id, direction, content, in_reply_to) values ($1, $2, $3, $4, $5) on conflict (id) do nothing
    returning id, task_id, direction, content, in_reply_to, created_at`,
};
const FIND_MESSAGE: Statement = {
  name: 'session_task_message_find',
  text: `select id, task_id, direction, content, in_reply_to, created_at from session_task_messages where id = $1`,
};
const MESSAGES: Statement = {
  name: 'session_task_messages',
  text: `select id, task_id, direction, content, in_reply_to, created_at from session_task_messages m
    where task_id = $1 and ($2::uuid is null or (m.created_at, m.id) > (select a.created_at, a.id from session_task_messages a where a.id = $2 and a.task_id = $1))
    order by created_at, id limit $3`,
};

const NEWEST_MESSAGES: Statement = {
  name: 'session_task_messages_newest',
  text: `with newest as (
     select id, task_id, direction, content, in_reply_to, created_at from session_task_messages where task_id = $1 order by created_at desc, id desc limit $2)
   select id, task_id, direction, content, in_reply_to, created_at from newest order by created_at, id`,
};

export interface TaskMessageRow extends Row {
  id: Uuid;
  task_id: Uuid;
  /** To the task, or from it. */
  direction: 'inbound' | 'outbound';
  content: ({ type: 'text'; text: string } | { type: 'data'; data: unknown })[];
  in_reply_to: Uuid | null;
  created_at: Date;
}

/** Null when there is one under this id already. */
export async function insertTaskMessage(tx: Queryable, message: Omit<TaskMessageRow, 'created_at'>): Promise<TaskMessageRow | null> {
  const { id, task_id, direction, content, in_reply_to } = message;
  const rows = await tx.run<TaskMessageRow>(ADD_MESSAGE, [id, task_id, direction, storableJson(content), in_reply_to]);
  return rows[0] ?? null;
}

export async function findTaskMessage(db: Queryable, id: Uuid): Promise<TaskMessageRow | null> {
  return (await db.run<TaskMessageRow>(FIND_MESSAGE, [id]))[0] ?? null;
}

/** Oldest first: those after one, from the first one on where that is null, or the newest. */
export function listTaskMessages(
  db: Queryable,
  at: { taskId: Uuid; afterId: Uuid | null; limit: number; newest?: boolean | undefined },
): Promise<TaskMessageRow[]> {
  if (at.newest === true) return db.run<TaskMessageRow>(NEWEST_MESSAGES, [at.taskId, at.limit]);
  return db.run<TaskMessageRow>(MESSAGES, [at.taskId, at.afterId, at.limit]);
}

/** How the turn that does a task went: its end, and what it said last before. */
const TURN_END: Statement = {
  name: 'session_task_turn_end',
  text: `with t as materialized (
     select seq, type, data from events where session_id = $1 and type in ('turn.completed', 'turn.failed', 'turn.cancelled', 'turn.sealed') order by seq limit 1)
   select t.type, t.data, (select e.data from events e where e.session_id = $1 and e.type = 'output.message.completed' and e.seq < t.seq order by e.seq desc limit 1) as said
   from t`,
};

const ASKED: Statement = {
  name: 'session_task_asked',
  text: `select h.status, (select e.data from events e where e.session_id = $1 and e.type in ('tool.call_requested', 'tool.approval_requested') order by e.seq desc limit 1) as asked
    from session_heads h where h.session_id = $1`,
};

export interface TaskTurnEnd extends Row {
  type: string;
  data: Record<string, unknown>;
  said: Record<string, unknown> | null;
}

/** Null when the log is gone. */
export async function findTaskTurnEnd(db: Queryable, childSessionId: Uuid): Promise<TaskTurnEnd | null> {
  return (await db.run<TaskTurnEnd>(TURN_END, [childSessionId]))[0] ?? null;
}

/** Does the session wait for its client, and what has it asked? Null when it is gone. */
export async function findTaskQuestion(
  db: Queryable,
  childSessionId: Uuid,
): Promise<{ status: string; asked: Record<string, unknown> | null } | null> {
  return (await db.run<{ status: string; asked: Record<string, unknown> | null }>(ASKED, [childSessionId]))[0] ?? null;
}
