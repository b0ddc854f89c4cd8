import { PlatformError } from '@everruns/contract';
import type { DurableEvent, EventContext, OpArgs, PlannedCall, TaskAnswer, Uuid } from '@everruns/contract';
import { decideBackground, isBackground, startBackground } from '@everruns/engine';
import type { BackgroundEnd } from '@everruns/engine';
import {
  addTaskTimer,
  countTree,
  findBackground,
  findParent,
  findSessionTask,
  insertSessionTask,
  startBackgroundWorkflow,
} from '@everruns/storage';
import type { HeldHead, Queryable, SessionTaskRow } from '@everruns/storage';
import type { LeaseScope } from '../../session-ops/scope.ts';
import { repeat, wake } from '../context.ts';
import type { EngineContext } from '../context.ts';
import { decideUnderHead, liveWorkflow } from '../lease-ends.ts';
import { tellOf } from './changes.ts';
import { namedId } from './named-id.ts';
import { TOO_LONG } from './outcome.ts';
import type { TaskOutcome } from './outcome.ts';
import { callId, TASK_DEADLINE_MS, turnContextOf } from './spawn.ts';
import { underCall, waitOrAnswer } from './waiting.ts';

/** Tool calls that go on beside the turns of their session: a task and a workflow of its own, made in one transaction and once per call. */

/** Of one tree of sessions, at a time. */
const MAX_ACTIVE = 32;

/** A run that is to be made, with the ids that it is known by when it is made again. */
export interface RunDraft {
  orgId: Uuid;
  sessionId: Uuid;
  taskId: Uuid;
  runId: Uuid;
  call: PlannedCall;
  title: string;
  wakes: boolean;
  context: EventContext;
  /** The schedule that makes it, by its public id. */
  monitor?: string;
}

interface Made {
  answer: TaskAnswer;
  events: DurableEvent[];
  sends: boolean;
}

export async function runInBackground(ctx: EngineContext, scope: LeaseScope, args: OpArgs<'tasks.run'>): Promise<TaskAnswer> {
  const call = scope.target;
  if (call === undefined) throw new PlatformError('wrong_state', 'This call names no other one.');
  const made = await repeat(
    ctx,
    () => underCall<Made>(ctx, scope, (held) => runUnderHead(ctx, held, { scope, call, args })),
    scope.sessionId,
  );
  ctx.feed.committed(scope.sessionId, made.events);
  wake(ctx, ['tool']);
  if (made.sends) ctx.sendWebhooks();
  return made.answer;
}

interface Run {
  scope: LeaseScope;
  call: PlannedCall;
  args: OpArgs<'tasks.run'>;
}

async function runUnderHead(ctx: EngineContext, { tx }: HeldHead, run: Run): Promise<Made> {
  const { scope } = run;
  const id = callId('task', scope);
  const known = await findSessionTask(tx, { orgId: scope.orgId, id });
  const made = known === null ? await makeRun(ctx, tx, { ...run, id }) : { task: known, events: [], sends: false };
  const { task, ...told } = made;
  return { ...told, answer: await waitOrAnswer(tx, task, { lease: scope.lease, waitMs: null }) };
}

async function makeRun(
  ctx: EngineContext,
  tx: Queryable,
  run: Run & { id: Uuid },
): Promise<Omit<Made, 'answer'> & { task: SessionTaskRow }> {
  const { scope, call, args, id } = run;
  const { orgId, sessionId } = scope;
  const parent = await findParent(tx, scope);
  if (parent === null) throw new PlatformError('not_found', 'There is no such session.');
  if ((await countTree(tx, parent.root, 'background_tool')).active >= MAX_ACTIVE) {
    throw new PlatformError(
      'resource_limit_reached',
      `At most ${MAX_ACTIVE} calls can go on in the background. Wait for one, or cancel one.`,
    );
  }
  const draft = { orgId, sessionId, taskId: id, runId: callId('run', scope), call, title: args.title, wakes: args.signal_on_completion };
  return insertRun(ctx, tx, { ...draft, context: turnContextOf(scope) }, parent);
}

/** Under the head of the session; nothing of it is there yet. */
export async function insertRun(
  ctx: EngineContext,
  tx: Queryable,
  { orgId, sessionId, taskId: id, runId, call, title, wakes, context, monitor }: RunDraft,
  parent: { root: Uuid; depth: number },
): Promise<Omit<Made, 'answer'> & { task: SessionTaskRow }> {
  const start = startBackground(runId, { call, owner: { session_id: sessionId }, taskId: id }, { ids: ctx.ids, nowMs: ctx.nowMs() });
  await startBackgroundWorkflow(tx, { id: runId, orgId, version: ctx.newTurnVersion(), ...start });
  const task = await insertSessionTask(tx, {
    id,
    orgId,
    sessionId,
    rootSessionId: parent.root,
    fields: {
      kind: monitor === undefined ? 'background_tool' : 'monitor',
      display_name: title,
      state: 'running',
      state_detail: null,
      summary: null,
      spec: { tool: call.name, arguments: call.arguments, ...(monitor !== undefined && { schedule_id: monitor }) },
      progress: null,
      error: null,
      input_request: null,
      artifacts: [],
      child_session_id: null,
      run_id: runId,
      depth: parent.depth,
      lifetime: 'linked',
      wake_policy: wakes ? 'on_terminal' : 'silent',
      result: null,
      result_path: null,
    },
  });
  const timer = {
    id: namedId(`deadline:${id}`),
    kind: 'task_cancel',
    orgId,
    sessionId,
    taskId: id,
    payload: { reason: 'timeout' },
  } as const;
  await addTaskTimer(tx, { ...timer, delayMs: TASK_DEADLINE_MS });
  return { task, ...(await tellOf(tx, task, 'task.created', context)) };
}

/** Ends the call, unless it has ended (`over`); its end is reported by itself. */
export async function stopRun(ctx: EngineContext, runId: Uuid): Promise<'stopped' | 'over'> {
  let found = false;
  await decideUnderHead(ctx, runId, async (held) => {
    const workflow = await liveWorkflow(ctx, held, runId);
    if (workflow === null || !isBackground(workflow.state)) return null;
    found = true;
    return { workflow, plan: decideBackground(workflow.state, { status: 'cancelled' }), drop: 'all' };
  });
  return found ? 'stopped' : 'over';
}

const MAX_SUMMARY_CHARS = 4_000;

/** How the call ended, in the terms of its task. */
export async function outcomeOfRun(db: Queryable, task: SessionTaskRow): Promise<TaskOutcome> {
  const state = await findBackground(db, task.org_id, task.run_id as Uuid);
  const end = isBackground(state) ? state.background.end : null;
  const gone: BackgroundEnd = { status: 'error', error: 'What became of the call is no longer known.' };
  const { status, result, error } = end ?? gone;
  if (status === 'success') return { said: '', changes: { state: 'succeeded', result: result ?? null, summary: shown(result) } };
  // Its deadline stops it when nobody has asked for that.
  if (status === 'cancelled' && task.cancel_requested_at === null) {
    return { said: '', changes: { state: 'failed', error: { kind: 'timeout', message: TOO_LONG } } };
  }
  if (status === 'cancelled') return { said: '', changes: { state: 'canceled' } };
  const kind = status === 'error' ? 'tool_error' : status;
  return { said: '', changes: { state: 'failed', error: { kind, message: error ?? 'The call failed.' } } };
}

function shown(result: unknown): string {
  const text = typeof result === 'string' ? result : JSON.stringify(result ?? null);
  return text.length > MAX_SUMMARY_CHARS ? `${text.slice(0, MAX_SUMMARY_CHARS)}...` : text;
}
