import type { SessionEvent, TextUpdate } from '@everruns/client';

/** What stands under a message: texts and calls of tools, in the order in which they came. */
export type ExchangePart =
  | { kind: 'text'; id: string; text: string }
  | { kind: 'tool'; id: string; title: string; state: 'running' | 'done' | 'failed'; note?: string };

/** More of a text: of the one that grows, or of a new one. */
export function withText(parts: readonly ExchangePart[], { messageId, text }: TextUpdate): readonly ExchangePart[] {
  const id = messageId ?? 'text';
  const known = parts.some((part) => part.kind === 'text' && part.id === id);
  if (!known) return [...parts, { kind: 'text', id, text }];
  return parts.map((part) => (part.kind === 'text' && part.id === id ? { ...part, text } : part));
}

/** What an event says about tools. */
export function withEvent(parts: readonly ExchangePart[], event: SessionEvent): readonly ExchangePart[] {
  if (event.type === 'tool.started') {
    const { tool_call: call, narration, display_name } = event.data;
    return withTool(parts, { kind: 'tool', id: call.id, title: narration ?? display_name ?? call.name, state: 'running' });
  }
  if (event.type === 'tool.completed') {
    const { tool_call_id: id, tool_name, success, error, narration, display_name } = event.data;
    const title = narration ?? display_name ?? tool_name;
    return withTool(parts, { kind: 'tool', id, title, state: success ? 'done' : 'failed', ...(error !== undefined && { note: error }) });
  }
  return parts;
}

function withTool(parts: readonly ExchangePart[], tool: Extract<ExchangePart, { kind: 'tool' }>): readonly ExchangePart[] {
  const isKnown = parts.some(({ kind, id }) => kind === 'tool' && id === tool.id);
  return isKnown ? parts.map((part) => (part.kind === 'tool' && part.id === tool.id ? tool : part)) : [...parts, tool];
}
