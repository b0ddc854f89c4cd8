import type { LanguageModelV4Message, LanguageModelV4Prompt, LanguageModelV4ToolResultPart } from '@ai-sdk/provider';
import type { AssistantPart, Json, ModelMessage, ModelRequest, ReplayState, ToolResultPart, UserPart } from '@everruns/agent/model';
import { canonicalProviderType } from '../provider-type.ts';
import type { WireProfile } from './wire-profile.ts';

type AssistantMessage = Extract<ModelMessage, { role: 'assistant' }>;
type AssistantContent = Extract<LanguageModelV4Message, { role: 'assistant' }>['content'];
type UserContent = Extract<LanguageModelV4Message, { role: 'user' }>['content'];

/** Converts a request's history. Replay state goes back only to the provider type that gave it. */
export function toPrompt(request: ModelRequest, profile: WireProfile): LanguageModelV4Prompt {
  const lastUser = request.messages.findLastIndex((message) => message.role === 'user');
  const converted = request.messages.map((message, index) => toMessage(message, { profile, isCurrentTurn: index > lastUser }));
  const system: LanguageModelV4Prompt = request.system ? [{ role: 'system', content: request.system }] : [];
  const prompt = mergeToolMessages([...system, ...converted.filter((message) => message !== undefined)]);
  return profile.adaptPrompt?.(prompt) ?? prompt;
}

interface Place {
  profile: WireProfile;
  /** After the last user message. */
  isCurrentTurn: boolean;
}

/** Undefined when nothing of the message is left to send: no wire accepts an empty one. */
function toMessage(message: ModelMessage, place: Place): LanguageModelV4Message | undefined {
  switch (message.role) {
    case 'user': {
      const content = message.content.flatMap(toUserPart);
      return content.length === 0 ? undefined : { role: 'user', content };
    }
    case 'assistant': {
      const content = toAssistantContent(message, place);
      return content.length === 0 ? undefined : { role: 'assistant', content };
    }
    case 'tool':
      return message.content.length === 0 ? undefined : { role: 'tool', content: message.content.map(toToolResult) };
  }
}

function toUserPart(part: UserPart): UserContent {
  if (part.type === 'text') return part.text === '' ? [] : [{ type: 'text', text: part.text }];
  const image = imageOf(part);
  return image === undefined ? [] : [{ type: 'file', ...image }];
}

const EXTENSION_TYPES: Readonly<Record<string, string>> = { png: 'image/png', gif: 'image/gif', webp: 'image/webp', jpg: 'image/jpeg' };

function imageOf(part: Extract<UserPart, { type: 'image' }>) {
  const inline = /^data:([^;,]+);base64,(.*)$/s.exec(part.url ?? '');
  if (inline?.[2] !== undefined) return { data: { type: 'data' as const, data: inline[2] }, mediaType: inline[1] ?? 'image' };
  if (part.base64 !== undefined) return { data: { type: 'data' as const, data: part.base64 }, mediaType: part.mediaType ?? 'image' };
  if (part.url === undefined || !URL.canParse(part.url)) return undefined;
  const url = new URL(part.url);
  const extension = /\.(\w+)$/.exec(url.pathname)?.[1]?.toLowerCase() ?? 'jpg';
  return { data: { type: 'url' as const, url }, mediaType: part.mediaType ?? EXTENSION_TYPES[extension] ?? 'image/jpeg' };
}

function toAssistantContent(message: AssistantMessage, { profile, isCurrentTurn }: Place): AssistantContent {
  const isOwn = message.providerType !== undefined && canonicalProviderType(message.providerType) === profile.providerType;
  const own = isOwn ? (profile.adaptAnswer?.(message.content) ?? message.content) : message.content.map(withoutReplay);
  return own.flatMap((part): AssistantContent => {
    const replay = part.replay === undefined ? {} : { providerOptions: { [profile.namespace]: part.replay } };
    switch (part.type) {
      case 'text':
        return part.text === '' && part.replay === undefined ? [] : [{ type: 'text', text: part.text, ...replay }];
      case 'reasoning':
        return isOwn && replaysReasoning(part, profile, isCurrentTurn) ? [{ type: 'reasoning', text: part.text, ...replay }] : [];
      case 'tool_call':
        return [{ type: 'tool-call', toolCallId: part.id, toolName: part.name, input: argumentObject(part.arguments), ...replay }];
    }
  });
}

function withoutReplay(part: AssistantPart): AssistantPart {
  const { replay: _foreign, ...rest } = part;
  return rest;
}

function replaysReasoning(part: { text: string; replay?: ReplayState }, profile: WireProfile, isCurrentTurn: boolean): boolean {
  switch (profile.reasoningReplay) {
    case 'signed':
      return part.replay !== undefined;
    case 'current_turn':
      return isCurrentTurn && part.text !== '';
    case 'never':
      return false;
  }
}

/** Arguments are an object on every wire. What a model wrote instead of one is kept readable for it. */
function argumentObject(value: Json): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { invalid_arguments: value };
}

function toToolResult({ toolCallId, toolName, output }: ToolResultPart): LanguageModelV4ToolResultPart {
  return { type: 'tool-result', toolCallId, toolName, output: toOutput(output) };
}

function toOutput(output: ToolResultPart['output']): LanguageModelV4ToolResultPart['output'] {
  if (output.type === 'error') return { type: 'error-text', value: output.text };
  return typeof output.value === 'string' ? { type: 'text', value: output.value } : { type: 'json', value: output.value };
}

/** Results of parallel calls belong into one message: Gemini counts them against the calls of the answer before. */
function mergeToolMessages(messages: LanguageModelV4Prompt): LanguageModelV4Prompt {
  const merged: LanguageModelV4Prompt = [];
  for (const message of messages) {
    const previous = merged.at(-1);
    if (message.role === 'tool' && previous?.role === 'tool') previous.content.push(...message.content);
    else merged.push(message);
  }
  return merged;
}
