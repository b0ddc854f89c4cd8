import type { DurableEvent, DurableEventType, Uuid } from '@everruns/contract';
import { durableEventId, toPublicId } from '@everruns/contract';
import { LogEntry } from '../log-entry.ts';

/** Events and frames for tests of single parts. */

export const SESSION: Uuid = '019a0000-0000-7000-8000-000000000abc';
export const ORG: Uuid = '00000000-0000-0000-0000-000000000001';
export const MESSAGE: Uuid = '11111111-1111-4111-8111-111111111111';
export const TURN: Uuid = '22222222-2222-7222-8222-222222222222';

export function event(
  sequence: number,
  type: DurableEventType,
  data: Record<string, unknown> = {},
  sessionId: Uuid = SESSION,
): DurableEvent {
  return {
    id: durableEventId(sessionId, sequence, 1_800_000_000_000, sequence),
    type,
    ts: '2027-01-15T08:00:00.000Z',
    session_id: toPublicId('session', sessionId),
    context: { turn_id: toPublicId('turn', TURN) },
    data,
    sequence,
  };
}

export function entry(sequence: number, type: DurableEventType, data: Record<string, unknown> = {}): LogEntry {
  return LogEntry.fromEvent(event(sequence, type, data));
}

export const started = (sequence: number): LogEntry =>
  entry(sequence, 'output.message.started', { message_id: toPublicId('message', MESSAGE) });

/** The first of the events that close a step: it has all that the model wrote. */
export const generated = (sequence: number, text: string): LogEntry =>
  entry(sequence, 'llm.generation', { messages: [], output: { text }, metadata: { model: 'm', success: true } });

export function completed(sequence: number, text: string): LogEntry {
  const message = { id: toPublicId('message', MESSAGE), role: 'agent', content: [{ type: 'text', text }] };
  return entry(sequence, 'output.message.completed', { message });
}

export interface Frame {
  event: string;
  id?: string;
  retry?: string;
  data: Record<string, unknown> & { data: Record<string, unknown> };
}

/** The frames in what was written; comments are left out. */
export function parseFrames(chunks: readonly (Buffer | string)[]): Frame[] {
  return chunks
    .join('')
    .split('\n\n')
    .filter((text) => text !== '' && !text.startsWith(':'))
    .map((text) => {
      const fields = Object.fromEntries(
        text.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      return { ...fields, data: JSON.parse(fields['data'] ?? '{}') as Frame['data'] } as Frame;
    });
}

/** `type` of durable events, `from+text` of deltas: enough to read a stream at a glance. */
export function glance(chunks: readonly (Buffer | string)[]): string[] {
  return parseFrames(chunks).map(({ event: type, data }) =>
    type.endsWith('.delta')
      ? `${type === 'output.message.delta' ? '' : '~'}${String(data.data['offset'])}+${String(data.data['delta'])}`
      : type,
  );
}
