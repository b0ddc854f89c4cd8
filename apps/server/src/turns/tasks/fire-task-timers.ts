import { isRecord } from '@everruns/agent/objects';
import { PlatformError, toPublicId } from '@everruns/contract';
import type { DurableEvent, ErrorCode, TaskContentPart, Uuid } from '@everruns/contract';
import type { TaskReport } from '@everruns/engine';
import {
  addTaskTimer,
  dropTaskTimers,
  dropTimer,
  dueTaskTimers,
  ENDED_TASK_STATES,
  findSessionTask,
  findTaskMessage,
  forgetBackground,
  lastMonitorRun,
  lockSessionTask,
  moveDueTasks,
  putOffTimer,
  underHead,
  wakeWaitingCalls,
  writeFile,
} from '@everruns/storage';
import type { Queryable, SessionTaskChanges, SessionTaskRow, TaskTimer } from '@everruns/storage';
import { isDeepStrictEqual } from 'node:util';
import { cancelTurn } from '../cancel.ts';
import { repeat, wake } from '../context.ts';
import type { EngineContext } from '../context.ts';
import { postMessage } from '../service.ts';
import { outcomeOfRun, stopRun } from './background.ts';
import { changeTask } from './changes.ts';
import { namedId } from './named-id.ts';
import { outcomeOf } from './outcome.ts';
import type { TaskOutcome } from './outcome.ts';

/**
 * What sessions have to be told of tasks, and tasks of sessions. Each is a row of `timers` that goes in the transaction which has done it, or after a
 * write that is known by its key: whoever fires it twice does it once.
 */

const SWEEP = 200;
/** A session that waits for its client is not disturbed: a message would end the wait. */
const BUSY_MS = 5_000;

type ForEach = <T extends { sessionId: string }>(
  ctx: EngineContext,
  items: readonly T[],
  work: (item: T) => Promise<void>,
) => Promise<boolean>;

/** True when something failed and is due still. */
export async function fireTaskTimers(ctx: EngineContext, forEach: ForEach): Promise<boolean> {
  return forEach(ctx, await dueTaskTimers(ctx.db, SWEEP), (timer) => fire(ctx, timer));
}

async function fire(ctx: EngineContext, timer: TaskTimer): Promise<void> {
  const task = await findSessionTask(ctx.db, { orgId: timer.orgId, id: timer.taskId });
  if (task === null) return dropTimer(ctx.db, timer.id);
  switch (timer.kind) {
    case 'task_report':
      return report(ctx, task, { timerId: timer.id, report: timer.payload as unknown as TaskReport });
    case 'task_wake':
      return wakeParent(ctx, task, timer);
    case 'task_cancel':
      return stopWork(ctx, task, timer);
    case 'task_message':
      return bringMessage(ctx, task, timer);
    default:
      return timer.kind satisfies never;
  }
}

interface Report {
  timerId: Uuid;
  report: TaskReport;
}

async function report(ctx: EngineContext, task: SessionTaskRow, { timerId, report: told }: Report): Promise<void> {
  const { changes, said } = task.run_id === null ? await outcomeOf(ctx.db, task, told) : await outcomeOfRun(ctx.db, task);
  const kept = await keepResult(ctx, task, { changes, said });
  await endTask(ctx, task, { timerId, changes: { ...changes, ...kept } });
  if (task.run_id !== null) await forgetBackground(ctx.db, task.run_id);
}

/** The whole result as a file of the session that asked, under a name that it keeps. Nothing where there is no room for it. */
async function keepResult(ctx: EngineContext, task: SessionTaskRow, { changes, said }: TaskOutcome): Promise<SessionTaskChanges> {
  const { state = task.state, error = null, result = task.result } = changes;
  if (!ENDED_TASK_STATES.has(state)) return {};
  const id = toPublicId('task', task.id);
  const path = resultPath(task, id);
  const content = {
    task_id: id,
    display_name: task.display_name,
    state,
    ...(error === null ? {} : { error }),
    ...(result === null ? {} : { result }),
    ...(said === '' ? {} : { text: said }),
  };
  const bytes = Buffer.from(`${JSON.stringify(content, null, 2)}\n`);
  const writer = { orgId: task.org_id, sessionId: task.session_id, workspaceId: null, lease: null };
  const write = { path, bytes, isReadonly: null, mode: 'put', expectedHash: null } as const;
  const written = await repeat(ctx, () => writeFile(ctx.db, writer, write));
  if (written.verdict !== 'ok') return {};
  return { result_path: path, artifacts: [{ type: 'file', name: 'result.json', path }] };
}

/** The runs of a monitor follow each other in one file. */
function resultPath({ kind, spec }: SessionTaskRow, id: string): string {
  if (kind === 'monitor') return `/.background/${String(spec['schedule_id'])}/result.json`;
  return kind === 'background_tool' ? `/.background/${id}/result.json` : `/.tasks/${id}/result.json`;
}

export interface TaskEnd {
  /** Goes with it. */
  timerId: Uuid | null;
  changes: SessionTaskChanges;
}

interface Told {
  events: DurableEvent[];
  sends: boolean;
  woken: number;
  wakes: boolean;
}

/** Writes how a task is, once, under the head of its session; calls that wait for its end run again, and where none does, a message tells of it. */
export async function endTask(ctx: EngineContext, task: SessionTaskRow, { timerId, changes }: TaskEnd): Promise<void> {
  const at = { sessionId: task.session_id, orgId: task.org_id };
  const write = (): Promise<Told | null> =>
    underHead(ctx.db, at, async ({ tx }) => {
      const row = await lockSessionTask(tx, task.id);
      if (timerId !== null) await dropTimer(tx, timerId);
      if (row === null || ENDED_TASK_STATES.has(row.state)) return null;
      const isOver = ENDED_TASK_STATES.has(changes.state ?? row.state);
      if (!isOver && changes.state === row.state) return null;
      const changed = await changeTask(tx, row, changes);
      if (isOver) await dropTaskTimers(tx, task.id, 'task_cancel');
      const woken = isOver ? await wakeWaitingCalls(tx, task.id) : 0;
      const wakes = woken === 0 && wantsWaking(changed.row, row) && (await isNews(tx, changed.row));
      if (wakes) {
        const id = namedId(`wake:${task.id}:${changed.row.state}:${changed.row.updated_at.toISOString()}`);
        await addTaskTimer(tx, { id, kind: 'task_wake', ...at, taskId: task.id, payload: {}, delayMs: 0 });
      }
      return { events: changed.events, sends: changed.sends, woken, wakes };
    });
  const told = await repeat(ctx, write, task.session_id);
  if (told === null) {
    // Told of before, or of a session that is gone: nobody is to be told any more.
    if (timerId !== null) await dropTimer(ctx.db, timerId);
    if (ENDED_TASK_STATES.has(changes.state ?? task.state)) await dropTaskTimers(ctx.db, task.id, 'task_cancel');
    return;
  }
  ctx.feed.committed(task.session_id, told.events);
  if (told.sends) ctx.sendWebhooks();
  if (told.woken > 0) await resumeCalls(ctx);
  if (told.wakes) ctx.fireSoon();
}

/** A monitor tells of what is not as it was the time before. */
async function isNews(tx: Queryable, run: SessionTaskRow): Promise<boolean> {
  if (run.kind !== 'monitor') return true;
  const before = await lastMonitorRun(tx, run);
  return before === null || !isDeepStrictEqual(outcomeIn(before), outcomeIn(run));
}

function outcomeIn({ state, result, error }: SessionTaskRow): unknown {
  const { duration_ms: _took, ...rest } = isRecord(result) ? result : {};
  return [state, isRecord(result) ? rest : result, error?.kind ?? null];
}

function wantsWaking(now: SessionTaskRow, before: SessionTaskRow): boolean {
  if (now.wake_policy === 'silent') return false;
  if (now.state === 'canceled' && now.cancel_requested_at !== null) return false; // whoever asked for it knows
  if (ENDED_TASK_STATES.has(now.state)) return true;
  return now.wake_policy === 'on_activity' && now.state === 'awaiting_input' && before.state !== 'awaiting_input';
}

async function resumeCalls(ctx: EngineContext): Promise<void> {
  const pools = await moveDueTasks(ctx.db, SWEEP);
  if (pools.length > 0) wake(ctx, pools);
}

/** A message in the session tells its agent, in a turn that runs or in a new one. It is stored under the timer's id. */
async function wakeParent(ctx: EngineContext, task: SessionTaskRow, timer: TaskTimer): Promise<void> {
  const timerId = timer.id;
  const messageId = timer.payload['message_id'] as Uuid | undefined;
  const told = messageId === undefined ? null : await findTaskMessage(ctx.db, messageId);
  const text = told === null ? newsOf(task) : [headOf(task), ...told.content.map(textOfPart)].join('\n');
  const content = [{ type: 'text' as const, text }];
  const metadata = { source: 'task', task_id: toPublicId('task', task.id), state: task.state };
  try {
    await postMessage(
      ctx,
      { orgId: task.org_id },
      { sessionId: task.session_id, content, metadata, clientMessageId: timerId, unlessWaiting: true },
    );
  } catch (error) {
    if (isRefusal(error, 'wrong_state')) return putOffTimer(ctx.db, timerId, BUSY_MS);
    if (!isRefusal(error, 'not_found')) throw error;
  }
  await dropTimer(ctx.db, timerId);
}

const SHOWN_SUMMARY_CHARS = 4_000;

function headOf(task: SessionTaskRow): string {
  return `[Task ${toPublicId('task', task.id)} "${task.display_name}": ${task.state}]`;
}

function newsOf(task: SessionTaskRow): string {
  const lines = [headOf(task)];
  if (task.error !== null) lines.push(`Error (${task.error.kind}): ${task.error.message}`);
  if (task.input_request !== null) lines.push(String(task.input_request['prompt']));
  const result = task.result === null ? (task.summary ?? '') : JSON.stringify(task.result);
  if (result !== '') lines.push(result.length > SHOWN_SUMMARY_CHARS ? `${result.slice(0, SHOWN_SUMMARY_CHARS)}...` : result);
  if (task.result_path !== null) lines.push(`The whole result is in /workspace${task.result_path}.`);
  return lines.join('\n');
}

/** What ends then reports itself; only where nothing is left that could, or nothing was to be ended, it is said here. */
async function stopWork(ctx: EngineContext, task: SessionTaskRow, timer: TaskTimer): Promise<void> {
  if (ENDED_TASK_STATES.has(task.state)) return dropTimer(ctx.db, timer.id);
  const { reason } = timer.payload as { reason: string };
  const work = task.run_id === null ? await stopChild(ctx, task, reason) : await stopRun(ctx, task.run_id);
  switch (work) {
    case 'stopped':
      return dropTimer(ctx.db, timer.id);
    case 'over':
      return report(ctx, task, { timerId: timer.id, report: { how: 'cancelled' } });
    case 'gone':
      return endTask(ctx, task, { timerId: timer.id, changes: { state: 'canceled', input_request: null } });
    default:
      return work satisfies never;
  }
}

/** The turn of a child. */
async function stopChild(ctx: EngineContext, task: SessionTaskRow, reason: string): Promise<'stopped' | 'over' | 'gone'> {
  try {
    const { status } = await cancelTurn(ctx, { orgId: task.org_id }, { sessionId: task.child_session_id as Uuid, reason });
    return status === 'cancelled' ? 'stopped' : 'over';
  } catch (error) {
    if (isRefusal(error, 'not_found')) return 'gone';
    throw error;
  }
}

/** To where the work is done, under the message's own id. */
async function bringMessage(ctx: EngineContext, task: SessionTaskRow, timer: TaskTimer): Promise<void> {
  const message = await findTaskMessage(ctx.db, timer.payload['message_id'] as Uuid);
  if (message !== null && task.child_session_id !== null && !ENDED_TASK_STATES.has(task.state)) {
    const content = message.content.map((part) => ({ type: 'text' as const, text: textOfPart(part) }));
    const metadata = { source: 'task_message', task_message_id: toPublicId('task_message', message.id) };
    try {
      await postMessage(ctx, { orgId: task.org_id }, { sessionId: task.child_session_id, content, metadata, clientMessageId: message.id });
    } catch (error) {
      if (!isRefusal(error, 'not_found')) throw error;
    }
  }
  await dropTimer(ctx.db, timer.id);
}

function textOfPart(part: TaskContentPart): string {
  return part.type === 'text' ? part.text : JSON.stringify(part.data);
}

function isRefusal(error: unknown, code: ErrorCode): boolean {
  return error instanceof PlatformError && error.code === code;
}
