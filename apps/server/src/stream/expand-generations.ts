import type { Message, Uuid } from '@everruns/contract';
import { readPrompt } from '@everruns/storage';
import type { EventRow, Queryable } from '@everruns/storage';
import { flag, many } from './stream-query.ts';
import type { RawQuery } from './stream-query.ts';

/**
 * `llm.generation` names its prompt by the last sequence that it held, so that a long session does not store each message once per step. Whoever
 * asks for these events gets the messages filled in; in a list of everything they would repeat the conversation with each step.
 */
export function wantsGenerations(query: RawQuery): boolean {
  return flag(query, 'expand', many(query, 'types').includes('llm.generation'));
}

/** Text that one answer may be filled with; what comes after it keeps its range. */
const MAX_FILLED_UNITS = 32 * 1024 * 1024;

export async function* expandGenerations(
  db: Queryable,
  at: { sessionId: Uuid },
  pages: AsyncIterable<EventRow[]>,
): AsyncGenerator<EventRow[]> {
  let messages: Message[] | null = null;
  let filled = 0;
  for await (const rows of pages) {
    const page: EventRow[] = [];
    for (const row of rows) {
      if (row.type !== 'llm.generation' || filled > MAX_FILLED_UNITS) {
        page.push(row);
        continue;
      }
      messages ??= await promptMessages(db, at.sessionId);
      const json = fill(row.json, messages);
      filled += json.length;
      page.push({ ...row, json });
    }
    yield page;
  }
}

/** As the model got them, less what only the provider may see again. */
async function promptMessages(db: Queryable, sessionId: Uuid): Promise<Message[]> {
  const prompt = await readPrompt(db, sessionId);
  return prompt.messages.map(({ replay: _replay, error_code: _code, ...message }) => message);
}

function fill(json: string, messages: readonly Message[]): string {
  const event = JSON.parse(json) as { data: Record<string, unknown> };
  const through = event.data['messages_through_sequence'];
  if (typeof through !== 'number') return json;
  const prompt = messages.filter((message) => (message.sequence ?? 0) <= through);
  return JSON.stringify({ ...event, data: { ...event.data, messages: prompt } });
}
