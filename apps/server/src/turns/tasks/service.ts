import { isDeepStrictEqual } from 'node:util';
import { fromPublicId, PlatformError } from '@everruns/contract';
import type { DurableEvent, OpArgs, SessionTask, TaskAnswer, TaskContentPart, TaskDetail, TaskMessage, Uuid } from '@everruns/contract';
import {
  addTaskTimer,
  appendUnderHead,
  ENDED_TASK_STATES,
  findSessionTask,
  findTaskMessage,
  holdLease,
  insertTaskMessage,
  LeaseLostError,
  listOrgTasks,
  listSessionTasks,
  listTaskMessages,
  lockSessionTask,
  newestSessionTask,
  taskOfChild,
  underHead,
} from '@everruns/storage';
import type { HeldHead, SessionTaskChanges, SessionTaskFilter, SessionTaskRow, TaskMessageRow, WriterLease } from '@everruns/storage';
import type { LeaseScope } from '../../session-ops/scope.ts';
import { presentTask, presentTaskMessage } from '../../services/present/task.ts';
import { cancelLease, repeat } from '../context.ts';
import type { EngineContext } from '../context.ts';
import { runInBackground } from './background.ts';
import { changeTask, messageEvent } from './changes.ts';
import type { Changed } from './changes.ts';
import { namedId } from './named-id.ts';
import { runSessionEnd } from './session-end.ts';
import type { EndedSession } from './session-end.ts';
import { callId, spawnSubagent } from './spawn.ts';
import { underCall, waitOrAnswer } from './waiting.ts';

/** Tasks of sessions, for tools and REST alike. Throws `not_found` for what is not there or another organization's. */

export interface TaskPlace {
  orgId: Uuid;
  sessionId: Uuid;
}

export interface OrgTaskQuery extends SessionTaskFilter {
  createdAfter: Date | null;
  rootSessionId: Uuid | null;
  limit: number;
}

export interface OutgoingMessage {
  content: TaskContentPart[];
  inReplyTo: Uuid | null;
  /** Sent again under this id, it is the message that was sent first. */
  id: Uuid;
  lease: WriterLease;
}

/** Those after one, from the first one on where that is null, or the newest. */
export interface MessagePage {
  afterId: Uuid | null;
  limit: number;
  newest?: boolean;
}

export interface SessionTasks {
  spawn(scope: LeaseScope, args: OpArgs<'tasks.spawn'>): Promise<TaskAnswer>;
  /** Runs the call that a call is about in the background. */
  run(scope: LeaseScope, args: OpArgs<'tasks.run'>): Promise<TaskAnswer>;
  /** Puts the call off until the task has ended, or answers with it. Null is the task that was started last. */
  wait(scope: LeaseScope, taskId: Uuid | null, waitMs: number): Promise<TaskAnswer>;
  list(place: TaskPlace, filter: SessionTaskFilter): Promise<SessionTask[]>;
  listOrg(orgId: Uuid, query: OrgTaskQuery): Promise<SessionTask[]>;
  get(place: TaskPlace, taskId: Uuid, page: MessagePage): Promise<TaskDetail & { result?: unknown }>;
  /** Has the work stopped; its end is told by the task itself. */
  cancel(place: TaskPlace, taskId: Uuid, by: { reason: string; lease: WriterLease }): Promise<SessionTask>;
  send(place: TaskPlace, taskId: Uuid, message: OutgoingMessage): Promise<TaskMessage>;
  /** The session was put aside: what its hooks have for that is done, once. */
  sessionEnded(ended: EndedSession): Promise<void>;
  /** By the session that does a task. */
  reportResult(scope: LeaseScope, result: unknown): Promise<void>;
  reportProgress(scope: LeaseScope, report: OpArgs<'tasks.report_progress'>): Promise<void>;
}

export function createSessionTasks(ctx: EngineContext, options: { sessionLimit: number }): SessionTasks {
  const require = async (place: TaskPlace, id: Uuid): Promise<SessionTaskRow> => {
    const row = await findSessionTask(ctx.db, { ...place, id });
    if (row === null) throw taskNotFound();
    return row;
  };
  return {
    spawn: (scope, args) => spawnSubagent({ ctx, ...options }, scope, args),
    run: (scope, args) => runInBackground(ctx, scope, args),
    wait: (scope, taskId, waitMs) => waitFor(ctx, scope, { taskId, waitMs }),
    list: async (place, filter) => (await listSessionTasks(ctx.db, { ...place, ...filter })).map(presentTask),
    listOrg: async (orgId, query) => (await listOrgTasks(ctx.db, { orgId, ...query })).map(presentTask),
    async get(place, taskId, page) {
      const row = await require(place, taskId);
      const messages = await listTaskMessages(ctx.db, { taskId, ...page });
      return { task: presentTask(row), messages: messages.map(presentTaskMessage), ...(row.result === null ? {} : { result: row.result }) };
    },
    cancel: (place, taskId, by) => cancelTask(ctx, place, { taskId, ...by }),
    send: (place, taskId, message) => sendMessage(ctx, place, { taskId, ...message }),
    sessionEnded: (ended) => runSessionEnd(ctx, ended),
    reportResult: (scope, result) => report(ctx, scope, { changes: { result } }),
    reportProgress: (scope, given) => report(ctx, scope, progressOf(given)),
  };
}

export function taskNotFound(): PlatformError {
  return new PlatformError('not_found', 'There is no such task.');
}

/** As models and clients write it; what is no task's id is nobody's. */
export function taskIdOf(publicId: string): Uuid {
  const id = fromPublicId('task', publicId);
  if (id === null) throw taskNotFound();
  return id;
}

async function waitFor(
  ctx: EngineContext,
  scope: LeaseScope,
  { taskId, waitMs }: { taskId: Uuid | null; waitMs: number },
): Promise<TaskAnswer> {
  const { answer } = await repeat(
    ctx,
    () =>
      underCall(ctx, scope, async ({ tx }) => {
        const task = await (taskId === null
          ? newestSessionTask(tx, scope)
          : findSessionTask(tx, { orgId: scope.orgId, sessionId: scope.sessionId, id: taskId }));
        if (task === null) throw taskNotFound();
        return { answer: await waitOrAnswer(tx, task, { lease: scope.lease, waitMs }) };
      }),
    scope.sessionId,
  );
  if (answer.parked) cancelLease(ctx, scope.lease, 'parked');
  return answer;
}

/** Under the head of a task's session, while the lease of the holder, which is that session when absent, stands if there is one. */
async function underTask<T>(
  ctx: EngineContext,
  at: { place: TaskPlace; taskId: Uuid; lease: WriterLease; holder?: Uuid },
  work: (task: SessionTaskRow, held: HeldHead) => Promise<T>,
): Promise<T> {
  const done = await repeat(
    ctx,
    () =>
      underHead(ctx.db, at.place, async (held) => {
        if (at.lease !== null && !(await holdLease(held.tx, at.lease, at.holder ?? at.place.sessionId)))
          throw new LeaseLostError('The lease has ended.');
        const task = await lockSessionTask(held.tx, at.taskId);
        if (task === null || task.session_id !== at.place.sessionId) throw taskNotFound();
        return { value: await work(task, held) };
      }),
    at.place.sessionId,
  );
  if (done === null) throw taskNotFound();
  return done.value;
}

async function cancelTask(
  ctx: EngineContext,
  place: TaskPlace,
  { taskId, reason, lease }: { taskId: Uuid; reason: string; lease: WriterLease },
): Promise<SessionTask> {
  const { row, events, sends } = await underTask<Changed>(ctx, { place, taskId, lease }, async (task, { tx }) => {
    if (ENDED_TASK_STATES.has(task.state) || task.cancel_requested_at !== null) return { row: task, events: [], sends: false };
    const timer = { id: namedId(`cancel:${taskId}`), kind: 'task_cancel', ...place, taskId, payload: { reason } } as const;
    await addTaskTimer(tx, { ...timer, delayMs: 0 });
    return changeTask(tx, task, { cancel_requested_at: new Date(ctx.nowMs()).toISOString() });
  });
  told(ctx, place.sessionId, { events, sends });
  ctx.fireSoon();
  return presentTask(row);
}

async function sendMessage(ctx: EngineContext, place: TaskPlace, message: OutgoingMessage & { taskId: Uuid }): Promise<TaskMessage> {
  const { taskId, id, content, inReplyTo, lease } = message;
  const sent = await underTask<{ row: TaskMessageRow; events: DurableEvent[] }>(ctx, { place, taskId, lease }, async (task, { tx }) => {
    const known = await findTaskMessage(tx, id);
    if (known !== null) return { row: known, events: [] };
    refuseMessage(task);
    if (inReplyTo !== null && (await findTaskMessage(tx, inReplyTo))?.task_id !== taskId) {
      throw new PlatformError('invalid_request', 'There is no such message to reply to.', { field: 'in_reply_to' });
    }
    const row = await insertTaskMessage(tx, { id, task_id: taskId, direction: 'inbound', content, in_reply_to: inReplyTo });
    if (row === null) throw new Error('A message that was not there is there.');
    const timer = { id: namedId(`bring:${id}`), kind: 'task_message', ...place, taskId, payload: { message_id: id } } as const;
    await addTaskTimer(tx, { ...timer, delayMs: 0 });
    return { row, events: await appendUnderHead(tx, place.sessionId, [messageEvent(row)]) };
  });
  told(ctx, place.sessionId, { events: sent.events, sends: false });
  ctx.fireSoon();
  return presentTaskMessage(sent.row);
}

function refuseMessage(task: SessionTaskRow): void {
  if (ENDED_TASK_STATES.has(task.state))
    throw new PlatformError('wrong_state', `The task has ended (${task.state}); nobody would read this.`);
  if (task.child_session_id === null) throw new PlatformError('wrong_state', 'A tool call reads no messages.');
}

interface ReportInput {
  changes: SessionTaskChanges;
  message?: TaskContentPart;
}

function progressOf({ message, progress, state_detail }: OpArgs<'tasks.report_progress'>): ReportInput {
  const part: TaskContentPart | undefined =
    message === undefined ? undefined : typeof message === 'string' ? { type: 'text', text: message } : { type: 'data', data: message };
  return {
    changes: { ...(progress === undefined ? {} : { progress }), ...(state_detail === undefined ? {} : { state_detail }) },
    ...(part === undefined ? {} : { message: part }),
  };
}

/** The session that does a task writes of it under the head of the one that asked: its own head is not held, its lease is. */
async function report(ctx: EngineContext, scope: LeaseScope, { changes, message }: ReportInput): Promise<void> {
  const task = await taskOfChild(ctx.db, scope.sessionId);
  if (task === null) throw new PlatformError('wrong_state', 'This session does no task for another one.');
  const place = { orgId: task.org_id, sessionId: task.session_id };
  const written = await underTask<{ events: DurableEvent[]; sends: boolean; wakes: boolean }>(
    ctx,
    { place, taskId: task.id, lease: scope.lease, holder: scope.sessionId },
    async (row, { tx }) => {
      if (ENDED_TASK_STATES.has(row.state)) throw new PlatformError('wrong_state', 'The task has ended already.');
      const id = callId('report', scope);
      const content = message === undefined ? [] : [message];
      const added =
        message === undefined
          ? null
          : await insertTaskMessage(tx, { id, task_id: row.id, direction: 'outbound', content, in_reply_to: null });
      const events = added === null ? [] : await appendUnderHead(tx, place.sessionId, [messageEvent(added)]);
      const changed = isKnown(row, changes) ? null : await changeTask(tx, row, changes);
      const wakes = added !== null && row.wake_policy === 'on_activity';
      if (wakes)
        await addTaskTimer(tx, {
          id: namedId(`wake:${id}`),
          kind: 'task_wake',
          ...place,
          taskId: row.id,
          payload: { message_id: id },
          delayMs: 0,
        });
      return { events: [...events, ...(changed?.events ?? [])], sends: changed?.sends ?? false, wakes };
    },
  );
  told(ctx, place.sessionId, written);
  if (written.wakes) ctx.fireSoon();
}

/** Does the task say all of it already? So it does when a report comes again. */
function isKnown(task: SessionTaskRow, changes: SessionTaskChanges): boolean {
  return Object.entries(changes).every(([field, value]) => isDeepStrictEqual(task[field], value));
}

function told(ctx: EngineContext, sessionId: Uuid, { events, sends }: { events: DurableEvent[]; sends: boolean }): void {
  ctx.feed.committed(sessionId, events);
  if (sends) ctx.sendWebhooks();
}
