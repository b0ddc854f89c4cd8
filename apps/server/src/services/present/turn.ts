import { toPublicId } from '@everruns/contract';
import type { TokenUsage, Turn, TurnDetail, TurnStep, Uuid } from '@everruns/contract';
import type { StepRow, TurnRow, TurnWithSteps } from '@everruns/storage';
import { iso, isoOrNull, present } from './fields.ts';

export function presentTurn(sessionId: Uuid, row: TurnRow): Turn {
  const end = row.ended ?? {};
  return present({
    id: row.id,
    session_id: toPublicId('session', sessionId),
    status: statusOf(row),
    input_message_id: text(row.started['input_message_id']),
    started_at: iso(row.started_at),
    ended_at: isoOrNull(row.ended_at),
    duration_ms: row.ended_at === null ? null : row.ended_at.getTime() - row.started_at.getTime(),
    first_sequence: row.first_seq,
    last_sequence: row.last_seq,
    iterations: int(end['iterations']),
    tool_call_count: int(end['tool_call_count']),
    llm_call_count: int(end['llm_call_count']),
    usage: (end['usage'] as TokenUsage | undefined) ?? null,
    final_message_id: text(end['final_message_id']),
    final_answer_preview: text(end['final_answer_preview']),
    stop_reason: text(end['stop_reason']) ?? (row.end_type === 'turn.sealed' ? text(end['reason']) : null),
    error: text(end['error']),
    error_code: text(end['error_code']),
    workflow: row.workflow,
  }) as Turn;
}

export function presentTurnDetail(sessionId: Uuid, { turn, steps }: TurnWithSteps): TurnDetail {
  return { ...presentTurn(sessionId, turn), steps: steps.map(presentStep) };
}

const END_STATES: Readonly<Record<string, Turn['status']>> = {
  'turn.completed': 'completed',
  'turn.failed': 'failed',
  'turn.cancelled': 'cancelled',
  'turn.sealed': 'sealed',
};

function statusOf(row: TurnRow): Turn['status'] {
  const ended = row.end_type === null ? undefined : END_STATES[row.end_type];
  return ended ?? (row.workflow?.status === 'waiting' ? 'waiting' : 'running');
}

function presentStep({ seq, type, ts, context, data }: StepRow): TurnStep {
  return present({
    kind: type === 'reason.completed' ? 'reason' : 'tool',
    sequence: seq,
    ts: iso(ts),
    success: data['success'] === true,
    exec_id: text(context.exec_id),
    duration_ms: int(data['duration_ms']),
    usage: (data['usage'] as TokenUsage | undefined) ?? null,
    error: text(data['error']),
    tool_call_id: text(data['tool_call_id']),
    tool_name: text(data['tool_name']),
    status: text(data['status']),
  }) as TurnStep;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function int(value: unknown): number | null {
  return typeof value === 'number' ? Math.round(value) : null;
}
