import type { EventType, SessionEventOf } from '@everruns/client';
import type { BlockDraft as Draft } from './block-draft.ts';
import type { Printed, ToolItem } from './conversation-types.ts';

type Fold<T extends EventType> = (draft: Draft, event: SessionEventOf<T>) => void;

/** As much as somebody would read of what a call prints; the result has the rest. */
const KEPT_CHARS = 50_000;

interface Known {
  id: string;
  name: string;
}

function toolOf(draft: Draft, { id, name }: Known): ToolItem {
  return (
    draft.find('tool', id) ?? {
      kind: 'tool',
      key: id,
      callId: id,
      name,
      title: name,
      arguments: {},
      state: 'planned',
      attempt: 1,
      output: {},
    }
  );
}

interface Summary extends Known {
  narration?: string | undefined;
  display_name?: string | undefined;
}

const titleOf = ({ narration, display_name: displayName, name }: Summary): string => narration ?? displayName ?? name;

const actStarted: Fold<'act.started'> = (draft, { data }) => {
  for (const call of data.tool_calls) draft.put({ ...toolOf(draft, call), title: titleOf(call) });
};

const started: Fold<'tool.started'> = (draft, { data, ts }) => {
  const { tool_call: call, narration, display_name, attempt = 1 } = data;
  const item = toolOf(draft, call);
  draft.put({
    ...item,
    title: titleOf({ ...call, narration, display_name }),
    arguments: call.arguments,
    state: 'running',
    attempt,
    output: attempt > item.attempt ? {} : item.output,
    startedAt: ts,
  });
};

const progress: Fold<'tool.progress'> = (draft, { data }) => {
  draft.put({ ...toolOf(draft, { id: data.tool_call_id, name: data.tool_name }), progress: data.message });
};

/** Told twice, or anew from the start, it comes out right. */
function more(before: Printed = { text: '', chars: 0 }, { delta, offset }: { delta: string; offset: number }): Printed {
  if (offset === 0) return { text: delta.slice(-KEPT_CHARS), chars: delta.length };
  const known = Math.max(0, before.chars - offset);
  if (known >= delta.length) return before;
  return { text: (before.text + delta.slice(known)).slice(-KEPT_CHARS), chars: offset + delta.length };
}

const output: Fold<'tool.output.delta'> = (draft, { data }) => {
  const item = toolOf(draft, { id: data.tool_call_id, name: data.tool_name });
  const attempt = data.attempt ?? item.attempt;
  if (item.state !== 'running' || attempt < item.attempt) return;
  const printed = attempt > item.attempt ? {} : item.output;
  draft.put({ ...item, attempt, output: { ...printed, [data.stream]: more(printed[data.stream], data) } });
};

const completed: Fold<'tool.completed'> = (draft, { data, ts }) => {
  const item = toolOf(draft, { id: data.tool_call_id, name: data.tool_name });
  const waitedMs = item.startedAt === undefined ? undefined : Date.parse(ts) - Date.parse(item.startedAt);
  const durationMs = data.duration_ms ?? waitedMs;
  draft.put({
    ...item,
    title: data.narration ?? data.display_name ?? item.title,
    state: data.status,
    ...(data.executed_arguments !== undefined && { arguments: data.executed_arguments }),
    ...(durationMs !== undefined && { durationMs }),
    ...(data.result !== undefined && { result: data.result }),
    ...(data.error !== undefined && { error: data.error }),
  });
};

const requested: Fold<'tool.call_requested'> = (draft, { data, ts }) => {
  for (const call of data.tool_calls) {
    const summary = data.tool_summaries?.find(({ id }) => id === call.id);
    const item = toolOf(draft, call);
    const title = summary === undefined ? item.title : titleOf(summary);
    draft.put({ ...item, title, arguments: call.arguments, state: 'client', startedAt: item.startedAt ?? ts });
  }
};

const approvalRequested: Fold<'tool.approval_requested'> = (draft, { data, ts }) => {
  const expiresAt = new Date(Date.parse(ts) + data.timeout_seconds * 1_000).toISOString();
  for (const call of data.tool_calls) {
    const summary = data.tool_summaries.find(({ id }) => id === call.id);
    const item = toolOf(draft, call);
    const { reason, memorable: isMemorable = false } = summary ?? {};
    draft.put({
      ...item,
      title: summary === undefined ? item.title : titleOf(summary),
      arguments: call.arguments,
      state: 'approval',
      approval: { isMemorable, expiresAt, ...(reason !== undefined && { reason }) },
    });
  }
};

const approvalResolved: Fold<'tool.approval_resolved'> = (draft, { data }) => {
  const item = toolOf(draft, { id: data.tool_call_id, name: data.tool_name });
  if (item.state === 'approval') draft.put({ ...item, state: 'planned', decision: data.outcome });
};

const hosted: Fold<'tool.hosted_call'> = (draft, { data }) => {
  const item = toolOf(draft, { id: data.call_id, name: data.tool_name });
  const state = data.status === 'completed' ? 'success' : data.status === 'failed' ? 'error' : 'running';
  draft.put({ ...item, title: data.summary ?? data.tool_name, state, isHosted: true });
};

/** What events about calls do to the conversation. */
export const TOOL_FOLDS = {
  'act.started': actStarted,
  'tool.started': started,
  'tool.progress': progress,
  'tool.output.delta': output,
  'tool.completed': completed,
  'tool.call_requested': requested,
  'tool.approval_requested': approvalRequested,
  'tool.approval_resolved': approvalResolved,
  'tool.hosted_call': hosted,
};
