import type { EventType, SessionEvent, SessionEventOf } from '@everruns/client';
import type { AgentItem, EndItem, NoticeItem, ThinkingItem } from './conversation-types.ts';
import type { BlockDraft as Draft } from './block-draft.ts';
import { TOOL_FOLDS } from './tool-folds.ts';

type Fold<T extends EventType> = (draft: Draft, event: SessionEventOf<T>) => void;
export type Folds = { readonly [T in EventType]?: Fold<T> };

interface Delta {
  delta: string;
  offset: number;
  accumulated?: string | undefined;
}

/** A text with more of it. A hole is left open: the next whole text closes it. */
function extended(text: string, { delta, offset, accumulated }: Delta): string {
  if (accumulated !== undefined) return accumulated;
  return offset > text.length ? text : text.slice(0, offset) + delta;
}

function notice(draft: Draft, event: SessionEvent, text: string, more: Partial<NoticeItem> = {}): void {
  draft.put({ kind: 'notice', key: event.id, tone: 'plain', text, at: event.ts, ...more });
}

const inputMessage: Fold<'input.message'> = (draft, { data: { message }, ts }) => {
  draft.put({ kind: 'user', key: message.id, message, at: ts, steers: draft.hasAny('user') });
};

const outputStarted: Fold<'output.message.started'> = (draft, { data, ts }) => {
  draft.dropUnfinishedText(['agent']);
  draft.put({ ...emptyAnswer(data.message_id, ts), ...(data.model !== undefined && { model: data.model }) });
};

const emptyAnswer = (key: string, at: string): AgentItem => ({
  kind: 'agent',
  key,
  text: '',
  content: [],
  state: 'streaming',
  attempt: 0,
  at,
});

const outputDelta: Fold<'output.message.delta'> = (draft, { data, ts }) => {
  const key = data.message_id ?? draft.answer()?.key;
  if (key === undefined || !draft.block.isRunning) return;
  const item = draft.find('agent', key) ?? emptyAnswer(key, ts);
  const attempt = data.attempt ?? item.attempt;
  if (item.state !== 'streaming' || attempt < item.attempt) return;
  draft.put({ ...item, attempt, text: extended(attempt > item.attempt ? '' : item.text, data) });
};

const outputCompleted: Fold<'output.message.completed'> = (draft, { data, ts }) => {
  const { message, metadata } = data;
  const streamed = draft.find('agent', message.id);
  const text = message.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');
  settleThinking(draft, message.thinking);
  draft.dropUnfinishedText(['agent', 'thinking'], message.id);
  if (text === '' && !message.content.some(({ type }) => type === 'image' || type === 'image_file')) draft.drop(message.id);
  else {
    const interrupted = metadata?.interrupted === true ? 'interrupted' : 'done';
    draft.put({
      ...(streamed ?? emptyAnswer(message.id, ts)),
      text,
      content: message.content,
      state: streamed?.state === 'replaced' ? 'replaced' : interrupted,
      ...(metadata?.model !== undefined && { model: metadata.model }),
      ...(data.error_code !== undefined && { reason: data.error_code }),
    });
  }
  for (const part of message.content) if (part.type === 'tool_call') planned(draft, part);
};

function planned(draft: Draft, call: { id: string; name: string; arguments: unknown }): void {
  if (draft.find('tool', call.id) !== undefined) return;
  const { id, name } = call;
  draft.put({ kind: 'tool', key: id, callId: id, name, title: name, arguments: call.arguments, state: 'planned', attempt: 1, output: {} });
}

const outputReplaced: Fold<'output.message.replaced'> = (draft, { data, ts }) => {
  const item = draft.find('agent', data.message_id) ?? emptyAnswer(data.message_id, ts);
  draft.put({ ...item, state: 'replaced', text: data.replacement, reason: data.reason_code });
};

const reasonStarted: Fold<'reason.started'> = (draft, { data, context }) => {
  draft.block.reason = context.exec_id ?? `${draft.block.key} ${data.iteration}`;
};

const reasonRecovered: Fold<'reason.recovered'> = (draft, event) => {
  const isRestart = event.data.mode === 'restart';
  if (isRestart) draft.dropUnfinishedText(['agent', 'thinking']);
  notice(draft, event, isRestart ? 'The step began again' : 'The answer was kept as far as it had come', { tone: 'warn' });
};

const thinkingKey = (draft: Draft): string => `thinking ${draft.block.reason}`;

const thinkingDelta: Fold<'reason.thinking.delta'> = (draft, { data }) => {
  const key = thinkingKey(draft);
  const item: ThinkingItem = draft.find('thinking', key) ?? { kind: 'thinking', key, text: '', isStreaming: true, attempt: 0 };
  const attempt = data.attempt ?? item.attempt;
  if (!item.isStreaming || attempt < item.attempt || !draft.block.isRunning) return;
  draft.put({ ...item, attempt, text: extended(attempt > item.attempt ? '' : item.text, data) });
};

function settleThinking(draft: Draft, text: string | undefined): void {
  const key = thinkingKey(draft);
  const item = draft.find('thinking', key);
  if (text === undefined || text === '') return;
  if (item?.text === text && !item.isStreaming) return;
  draft.put({ kind: 'thinking', key, text, isStreaming: false, attempt: item?.attempt ?? 0 });
}

/** Nothing that was under way when a turn ended goes on. */
function settle(draft: Draft): void {
  for (const item of draft.open()) {
    if (item.kind === 'agent' && item.text === '') draft.drop(item.key);
    else if (item.kind === 'agent') draft.put({ ...item, state: 'interrupted' });
    else if (item.kind === 'thinking') draft.put({ ...item, isStreaming: false });
    else if (item.kind === 'tool') draft.put({ ...item, state: 'cancelled' });
  }
}

function end(draft: Draft, event: SessionEvent, item: Omit<EndItem, 'kind' | 'key' | 'at'>): void {
  settle(draft);
  draft.block.isRunning = false;
  draft.block.budget = null;
  draft.put({ kind: 'end', key: event.id, at: event.ts, ...item });
}

/** Without the members that have no value. */
function present<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

const budget =
  (tone: 'warn' | 'bad', what: string): Fold<'budget.paused' | 'budget.exhausted' | 'budget.warning'> =>
  (draft, event) => {
    if (event.type !== 'budget.warning') draft.block.budget = event.data;
    notice(draft, event, event.data.message ?? what, { tone });
  };

const task: Fold<'task.created'> = (draft, event) => {
  notice(draft, event, event.data.task.display_name, { taskId: event.data.task.id });
};

export const FOLDS: Folds = {
  ...TOOL_FOLDS,
  'input.message': inputMessage,
  'output.message.started': outputStarted,
  'output.message.delta': outputDelta,
  'output.message.completed': outputCompleted,
  'output.message.replaced': outputReplaced,
  'reason.started': reasonStarted,
  'reason.recovered': reasonRecovered,
  'reason.thinking.delta': thinkingDelta,
  'reason.thinking.completed': (draft, { data }) => settleThinking(draft, data.thinking),
  'turn.completed': (draft, event) => {
    const { duration_ms: durationMs, llm_call_count: modelCalls, tool_call_count: toolCalls, usage } = event.data;
    end(draft, event, { status: 'completed', ...present({ durationMs, modelCalls, toolCalls, usage }) });
  },
  'turn.failed': (draft, event) => {
    const { error, error_code: code } = event.data;
    const isTold = draft.last('agent')?.reason === code && code !== undefined;
    end(draft, event, { status: 'failed', text: error, ...(isTold && { isTold }), ...present({ code }) });
  },
  'turn.sealed': (draft, event) => {
    const { detail, reason, usage } = event.data;
    end(draft, event, { status: 'sealed', text: detail ?? reason, code: reason, ...present({ usage }) });
  },
  'turn.cancelled': (draft, event) => {
    const { reason: text, usage } = event.data;
    end(draft, event, { status: 'cancelled', ...present({ text, usage }) });
  },
  'session.started': (draft, event) => {
    const { forked_from_session_id: sessionId } = event.data;
    if (sessionId !== undefined) notice(draft, event, 'This session began as a fork', { sessionId });
  },
  'session.model.changed': (draft, event) => notice(draft, event, `From here on with ${event.data.model_name}`),
  'context.compacted': (draft, event) => {
    const { messages_before: before, messages_after: after } = event.data;
    notice(draft, event, `The prompt was made shorter: ${before} messages became ${after}`);
  },
  'context.compaction.failed': (draft, event) =>
    notice(draft, event, `The prompt could not be made shorter: ${event.data.error}`, { tone: 'warn' }),
  'budget.warning': budget('warn', 'Little is left of a budget'),
  'budget.paused': budget('warn', 'The turn waits: a budget is paused'),
  'budget.exhausted': budget('bad', 'The turn waits: what comes next does not fit in a budget'),
  'budget.resumed': (draft, event) => {
    draft.block.budget = null;
    notice(draft, event, 'There is room in the budget again, the turn goes on', { tone: 'good' });
  },
  'schedule.triggered': (draft, event) => notice(draft, event, 'A schedule sent the message'),
  'task.created': task,
};
