import type { ContentPart, StoredMessage } from '@everruns/contract';

/** What capabilities read out of a stored history. */

export type CallPart = Extract<ContentPart, { type: 'tool_call' }>;
export type ResultPart = Extract<ContentPart, { type: 'tool_result' }>;

/** The messages behind the last one of a user. */
export function currentTurn(messages: readonly StoredMessage[]): readonly StoredMessage[] {
  return messages.slice(messages.findLastIndex(({ role }) => role === 'user') + 1);
}

/** The calls of one answer with the results that are known of them. */
export interface CallBatch {
  /** Index of the last message that belongs to it. */
  end: number;
  calls: { call: CallPart; result?: ResultPart }[];
}

/** The batches of a history in order, each with whether a user spoke since the one before. */
export function callBatches(messages: readonly StoredMessage[]): (CallBatch & { isFirstOfTurn: boolean })[] {
  const batches: (CallBatch & { isFirstOfTurn: boolean })[] = [];
  const open = new Map<string, { call: CallPart; result?: ResultPart }>();
  let isFirstOfTurn = true;
  messages.forEach((message, index) => {
    if (message.role === 'user') isFirstOfTurn = true;
    if (message.role === 'agent') {
      const calls = message.content.flatMap((part) => (part.type === 'tool_call' ? [{ call: part }] : []));
      if (calls.length === 0) return;
      for (const entry of calls) open.set(entry.call.id, entry);
      batches.push({ end: index, calls, isFirstOfTurn });
      isFirstOfTurn = false;
    }
    const last = batches.at(-1);
    if (message.role !== 'tool_result' || last === undefined) return;
    for (const part of message.content) {
      if (part.type !== 'tool_result') continue;
      const entry = open.get(part.tool_call_id);
      if (entry === undefined || entry.result !== undefined) continue;
      entry.result = part;
      if (last.calls.includes(entry)) last.end = index;
    }
  });
  return batches;
}

/** A remark of the system behind a message; it is made up for the model and never stored. */
export function noticeBehind(message: StoredMessage, id: string, text: string): StoredMessage {
  const { created_at, sequence } = message;
  return { id: `${message.id}:${id}`, role: 'system', content: [{ type: 'text', text }], created_at, sequence };
}

/** The messages with a remark behind some of them, by index. */
export function withNotices(
  messages: readonly StoredMessage[],
  notices: ReadonlyMap<number, string>,
  id: string,
): readonly StoredMessage[] {
  if (notices.size === 0) return messages;
  return messages.flatMap((message, index) => {
    const text = notices.get(index);
    return text === undefined ? [message] : [message, noticeBehind(message, id, text)];
  });
}
