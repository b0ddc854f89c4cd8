import type { WireProtocol, WireRequest } from '@everruns/providers/testing/wire-simulator';

export type ChatWire = WireProtocol;
/** What the SDK sends where a call came without a signature. */
const NO_SIGNATURE = 'skip_thought_signature_validator';

type Json = Record<string, unknown>;

/** The same by two names, the newer one for models that reason. */
const SYSTEM_ROLES = new Set(['system', 'developer']);

/**
 * The conversation that a provider received, in words that are the same for every wire:
 * `user: ..`, `assistant: ..`, `thought: <state or text>`, `call <name> <arguments>`, `result <value>`, `image <address or type>`.
 */
export function received(request: WireRequest | undefined): string[] {
  if (request === undefined) throw new Error('The provider received no such request.');
  const body = request.body as Json;
  switch (request.protocol) {
    case 'responses':
      return list(body['input']).flatMap(ofResponses);
    case 'chat':
      return list(body['messages']).flatMap(ofChat);
    case 'anthropic':
      return list(body['messages']).flatMap((message) =>
        list(message['content']).flatMap((block) => ofAnthropic(text(message['role']), block)),
      );
    case 'google':
      return list(body['contents']).flatMap((content) => list(content['parts']).flatMap((part) => ofGoogle(text(content['role']), part)));
  }
}

export function systemOf(request: WireRequest): string {
  const body = request.body as Json;
  switch (request.protocol) {
    case 'responses':
    case 'chat':
      return text(list(body[request.protocol === 'chat' ? 'messages' : 'input'])[0]?.['content']);
    case 'anthropic':
      return list(body['system'])
        .map((block) => text(block['text']))
        .join('');
    case 'google':
      return list((body['systemInstruction'] as Json)['parts'])
        .map((part) => text(part['text']))
        .join('');
  }
}

export function toolsOf(request: WireRequest): string[] {
  const tools = list((request.body as Json)['tools']);
  const declared = request.protocol === 'google' ? tools.flatMap((tool) => list(tool['functionDeclarations'])) : tools;
  return declared.map((tool) => text(tool['name'] ?? (tool['function'] as Json)['name']));
}

/** The key as the wire carries it. */
export function keyOf({ protocol, headers }: WireRequest): string {
  if (protocol === 'anthropic') return text(headers['x-api-key']);
  if (protocol === 'google') return text(headers['x-goog-api-key']);
  return text(headers['authorization']).replace(/^Bearer /, '');
}

function ofResponses(item: Json): string[] {
  switch (item['type']) {
    case 'reasoning':
      return [`thought: ${text(item['encrypted_content'])}`];
    case 'function_call':
      return [`call ${text(item['name'])} ${text(item['arguments'])}`];
    case 'function_call_output':
      return [`result ${text(item['output'])}`];
    default:
      return SYSTEM_ROLES.has(text(item['role'])) ? [] : ofParts(text(item['role']), item['content']);
  }
}

function ofChat(message: Json): string[] {
  const role = text(message['role']);
  if (SYSTEM_ROLES.has(role)) return [];
  if (role === 'tool') return [`result ${text(message['content'])}`];
  return [
    ...(message['reasoning_content'] === undefined ? [] : [`thought: ${text(message['reasoning_content'])}`]),
    ...(message['content'] === null || message['content'] === '' ? [] : ofParts(role, message['content'])),
    ...list(message['tool_calls']).map(({ function: called }) => {
      return `call ${text((called as Json)['name'])} ${text((called as Json)['arguments'])}`;
    }),
  ];
}

function ofAnthropic(role: string, block: Json): string[] {
  switch (block['type']) {
    case 'thinking':
      return [`thought: ${text(block['signature'])}`];
    case 'redacted_thinking':
      return [`thought: ${text(block['data'])}`];
    case 'tool_use':
      return [`call ${text(block['name'])} ${JSON.stringify(block['input'])}`];
    case 'tool_result':
      return [`result ${resultText(block['content'])}`];
    default:
      return ofParts(role, [block]);
  }
}

function ofGoogle(role: string, part: Json): string[] {
  const state = part['thoughtSignature'];
  const signature = state === undefined || state === NO_SIGNATURE ? [] : [`thought: ${text(state)}`];
  const call = part['functionCall'] as Json | undefined;
  if (call !== undefined) return [...signature, `call ${text(call['name'])} ${JSON.stringify(call['args'])}`];
  const response = part['functionResponse'] as Json | undefined;
  if (response !== undefined) return [`result ${resultText((response['response'] as Json)['content'] ?? response['response'])}`];
  return [...signature, ...ofParts(role === 'model' ? 'assistant' : role, [part])];
}

function ofParts(role: string, content: unknown): string[] {
  if (typeof content === 'string') return [`${role}: ${content}`];
  return list(content).map((part) => (part['text'] === undefined ? imageOf(part) : `${role}: ${text(part['text'])}`));
}

function imageOf(part: Json): string {
  const openai = part['image_url'];
  const source = part['source'] as Json | undefined;
  const google = (part['inlineData'] ?? part['fileData']) as Json | undefined;
  const address = typeof openai === 'object' && openai !== null ? (openai as Json)['url'] : openai;
  const found = address ?? source?.['url'] ?? source?.['media_type'] ?? google?.['fileUri'] ?? google?.['mimeType'];
  return found === undefined ? JSON.stringify(part) : `image ${text(found)}`;
}

function resultText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map((part: Json) => text(part['text'])).join('');
  return JSON.stringify(value);
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
}
