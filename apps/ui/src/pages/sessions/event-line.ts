import type { SessionEvent } from '@everruns/client';

const MOST_CHARS = 160;
/** Members that say in a line what an event is about, the most telling first. */
const TELLING = [
  'error',
  'message',
  'narration',
  'text_preview',
  'final_answer_preview',
  'title',
  'path',
  'tool_name',
  'reason',
  'thinking',
  'prompt',
];

/** An event in a line. */
export function lineOf(event: SessionEvent): string {
  const data = event.data as Record<string, unknown>;
  const telling = TELLING.map((name) => data[name]).find((value) => typeof value === 'string' && value !== '');
  const text = (telling as string | undefined) ?? inner(data);
  return text.replaceAll(/\s+/g, ' ').slice(0, MOST_CHARS);
}

function inner({ message, tool_call: call, task, tool_calls: calls, iteration }: Record<string, unknown>): string {
  if (isRecord(message) && Array.isArray(message['content'])) {
    return (message['content'] as unknown[])
      .map((part) => (isRecord(part) ? ([part['text'], part['name'], part['type']].find((each) => typeof each === 'string') ?? '') : ''))
      .join(' ');
  }
  if (isRecord(call)) return `${String(call['name'])} ${JSON.stringify(call['arguments'])}`;
  if (isRecord(task)) return `${String(task['display_name'])}: ${String(task['state'])}`;
  if (Array.isArray(calls)) return (calls as unknown[]).map((each) => (isRecord(each) ? String(each['name']) : '')).join(', ');
  return typeof iteration === 'number' ? `call ${iteration}` : '';
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
