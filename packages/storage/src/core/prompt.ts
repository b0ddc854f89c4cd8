import { toPublicId } from '@everruns/contract';
import type { Message, StoredMessage, Uuid } from '@everruns/contract';
import type { Queryable, Statement } from '../database.ts';

const READ: Statement = {
  name: 'prompt_messages',
  text: `select seq, id, type, ts, data, replay from events
    where session_id = $1 and type in ('input.message', 'output.message.completed', 'tool.completed') order by seq`,
};

interface PromptRow extends Record<string, unknown> {
  seq: number;
  id: Uuid;
  type: string;
  ts: Date;
  data: Record<string, unknown>;
  replay: StoredMessage['replay'] | null;
}

export interface Prompt {
  messages: StoredMessage[];
  /** Highest input sequence in the result; what came later is not in the prompt (core.md W12). */
  seen: number;
}

/**
 * The conversation as the model lived through it: every tool result directly behind the message that called for it, and every answer before
 * the input that it had not read, whatever came between in the log.
 */
export async function readPrompt(db: Queryable, sessionId: Uuid): Promise<Prompt> {
  return promptOf(await db.run<PromptRow>(READ, [sessionId]));
}

export function promptOf(rows: readonly PromptRow[]): Prompt {
  const messages: StoredMessage[] = [];
  const results = new Map<StoredMessage, StoredMessage[]>();
  let callers: StoredMessage[] = [];
  let seen = 0;
  for (const row of rows) {
    if (row.type === 'tool.completed') {
      const result = toolResult(row);
      const caller = callers.findLast((message) => callsTool(message, result));
      if (caller !== undefined) results.get(caller)?.push(result);
      continue;
    }
    const message = storedMessage(row);
    if (row.type === 'input.message') seen = row.seq;
    messages.splice(placeOf(row, messages), 0, message);
    if (message.content.some((part) => part.type === 'tool_call')) {
      results.set(message, []);
      callers = [...callers.slice(-8), message];
    }
  }
  return { messages: messages.flatMap((message) => [message, ...(results.get(message) ?? [])]), seen };
}

/** Input that arrived while an answer was written stands behind it, or the model would find itself answered before it was asked. */
function placeOf({ data }: PromptRow, messages: readonly StoredMessage[]): number {
  const through = data['messages_through_sequence'];
  if (typeof through !== 'number') return messages.length;
  return messages.findLastIndex((message) => message.role !== 'user' || message.sequence <= through) + 1;
}

function storedMessage(row: PromptRow): StoredMessage {
  const message = row.data['message'] as Message;
  const code = row.data['error_code'];
  return {
    ...message,
    sequence: row.seq,
    ...(row.replay === null ? {} : { replay: row.replay as NonNullable<StoredMessage['replay']> }),
    ...(typeof code === 'string' ? { error_code: code } : {}),
  };
}

function toolResult(row: PromptRow): StoredMessage {
  return {
    id: toPublicId('message', row.id),
    role: 'tool_result',
    content: row.data['result'] as Message['content'],
    created_at: row.ts.toISOString(),
    sequence: row.seq,
  };
}

function callsTool(message: StoredMessage, result: StoredMessage): boolean {
  const part = result.content[0];
  const id = part?.type === 'tool_result' ? part.tool_call_id : null;
  return message.content.some((candidate) => candidate.type === 'tool_call' && candidate.id === id);
}
