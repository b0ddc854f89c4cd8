import type { AssistantPart, ChatModel, Json, ModelMessage, ModelPart, ModelRequest, ReplayState } from '@everruns/agent/model';

/** What an attempt came to: everything read, and what it threw. */
export interface Attempt {
  parts: ModelPart[];
  error: unknown;
}

/** Reads an attempt to its end. Never rejects. */
export async function attempt(model: ChatModel, request: ModelRequest, signal = new AbortController().signal): Promise<Attempt> {
  const parts: ModelPart[] = [];
  try {
    for await (const part of model.stream(request, signal)) parts.push(part);
    return { parts, error: undefined };
  } catch (error) {
    return { parts, error };
  }
}

export function textOfParts(parts: readonly ModelPart[], type: 'text' | 'reasoning' = 'text'): string {
  return parts.map((part) => (part.type === type ? part.delta : '')).join('');
}

export function callsOfParts(parts: readonly ModelPart[]): Array<Extract<ModelPart, { type: 'tool_call' }>> {
  return parts.filter((part) => part.type === 'tool_call');
}

export function finishOfParts(parts: readonly ModelPart[]): Extract<ModelPart, { type: 'finish' }> | undefined {
  return parts.find((part) => part.type === 'finish');
}

export function userSays(text: string): ModelMessage {
  return { role: 'user', content: [{ type: 'text', text }] };
}

export function requestOf(messages: ModelMessage[], rest: Partial<ModelRequest> = {}): ModelRequest {
  return { messages, tools: [], ...rest };
}

export function toolAnswers(toolCallId: string, toolName: string, value: Json): ModelMessage {
  return { role: 'tool', content: [{ toolCallId, toolName, output: { type: 'json', value } }] };
}

/** The message that an agent keeps of an answer, in the order of its parts. */
export function answerOf(parts: readonly ModelPart[], providerType: string): ModelMessage {
  const content: AssistantPart[] = [];
  let open = '';
  const close = (type: 'text' | 'reasoning', replay: ReplayState | undefined): void => {
    content.push({ type, text: open, ...(replay === undefined ? {} : { replay }) });
    open = '';
  };
  for (const part of parts) {
    if (part.type === 'text' || part.type === 'reasoning') open += part.delta;
    if (part.type === 'text_end') close('text', part.replay);
    if (part.type === 'reasoning_end') close('reasoning', part.replay);
    if (part.type === 'tool_call') {
      const replay = part.replay === undefined ? {} : { replay: part.replay };
      content.push({ type: 'tool_call', id: part.id, name: part.name, arguments: JSON.parse(part.arguments) as Json, ...replay });
    }
  }
  return { role: 'assistant', content, providerType };
}
