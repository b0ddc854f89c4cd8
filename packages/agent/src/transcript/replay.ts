import type { ContentPart, StoredMessage } from '@everruns/contract';
import { isRecord, present } from '../objects.ts';
import type { AssistantPart, Json, ReplayState } from '../model.ts';

/**
 * What a message needs so that its provider gets back exactly what it wrote: the parts in their order, with the provider's opaque state.
 * Text is not repeated here; a part names its range of the message's text.
 */
export type ReplayPart =
  | { type: 'text'; start: number; end: number; replay?: ReplayState }
  | { type: 'reasoning'; text: string; replay?: ReplayState }
  | { type: 'tool_call'; id: string; replay?: ReplayState };

/** The message as the model wrote it; without the opaque parts when another provider type reads it. */
export function toAssistantParts(message: StoredMessage, providerType: string): AssistantPart[] {
  const plain = plainParts(message.content);
  if (message.replay === undefined || message.replay.provider_type !== providerType) return plain;
  return replayedParts(plain, message.replay.parts as ReplayPart[]) ?? plain;
}

function plainParts(content: readonly ContentPart[]): AssistantPart[] {
  const text = content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');
  const calls = content.flatMap((part): AssistantPart[] =>
    part.type === 'tool_call' ? [{ type: 'tool_call', id: part.id, name: part.name, arguments: toArguments(part.arguments) }] : [],
  );
  return text === '' ? calls : [{ type: 'text', text }, ...calls];
}

function toArguments(value: unknown): Json {
  return isRecord(value) ? (value as Json) : {};
}

/** Null when text or calls are no longer what was written (a guardrail replaced them): the state would not fit. */
function replayedParts(plain: readonly AssistantPart[], recorded: readonly ReplayPart[]): AssistantPart[] | null {
  const text = plain[0]?.type === 'text' ? plain[0].text : '';
  const calls = new Map(plain.flatMap((part) => (part.type === 'tool_call' ? [[part.id, part] as const] : [])));
  const parts: AssistantPart[] = [];
  let covered = 0;
  for (const part of recorded) {
    if (part.type === 'reasoning') {
      parts.push(part);
    } else if (part.type === 'text') {
      if (part.end > text.length) return null;
      covered = Math.max(covered, part.end);
      parts.push(present({ type: 'text' as const, text: text.slice(part.start, part.end), replay: part.replay }));
    } else {
      const call = calls.get(part.id);
      if (call === undefined) return null;
      calls.delete(part.id);
      parts.push(present({ ...call, replay: part.replay }));
    }
  }
  return covered === text.length && calls.size === 0 ? parts : null;
}
