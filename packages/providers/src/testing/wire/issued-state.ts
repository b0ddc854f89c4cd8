import type { Json } from '@everruns/agent/model';
import { callIdOf, stateOf, type WireIds, type WireProtocol, type WireReply } from './reply.ts';

type JsonObject = Record<string, Json>;

/** Opaque thinking state that was handed out together with a tool call, and must come back before it. */
export interface IssuedState {
  protocol: WireProtocol;
  /** Id of the call, or its name where the protocol has no ids. */
  call: string;
  state: string;
  text: string;
}

export function issuedBy(protocol: WireProtocol, reply: WireReply, ids: WireIds): IssuedState[] {
  const call = reply.toolCalls?.[0];
  if (reply.thinking === undefined || call === undefined) return [];
  const name = protocol === 'google' ? call.name : callIdOf(call, 0, ids);
  return [{ protocol, call: name, state: stateOf(reply.thinking, ids), text: reply.thinking.text }];
}

/** What a request fails to send back of the calls that it repeats; undefined when all is there. */
export function missingState(issued: readonly IssuedState[], protocol: WireProtocol, body: JsonObject): string | undefined {
  const missing = issued.filter((state) => state.protocol === protocol).find((state) => !isReturned(state, body));
  return missing === undefined ? undefined : `The thinking state of the call "${missing.call}" is missing or was changed.`;
}

function isReturned(issued: IssuedState, body: JsonObject): boolean {
  switch (issued.protocol) {
    case 'anthropic':
      return everyMessage(body['messages'], (blocks) => isSignedBefore(objects(blocks['content']), issued));
    case 'responses':
      return isEncryptedBefore(objects(body['input']), issued);
    case 'google':
      return everyMessage(body['contents'], (content) => isSignedCall(objects(content['parts']), issued));
    case 'chat':
      return everyMessage(body['messages'], (message) => isThoughtOut(message, issued));
  }
}

function isSignedBefore(blocks: JsonObject[], { call, state, text }: IssuedState): boolean {
  const position = blocks.findIndex((block) => block['type'] === 'tool_use' && block['id'] === call);
  const before = blocks.slice(0, Math.max(position, 0));
  return position < 0 || before.some((block) => block['data'] === state || (block['signature'] === state && block['thinking'] === text));
}

function isEncryptedBefore(items: JsonObject[], { call, state }: IssuedState): boolean {
  const position = items.findIndex((item) => item['type'] === 'function_call' && item['call_id'] === call);
  const before = items.slice(0, Math.max(position, 0));
  return (
    position < 0 || before.some((item) => item['type'] === 'reasoning' && item['encrypted_content'] === state && item['id'] !== undefined)
  );
}

function isSignedCall(parts: JsonObject[], { call, state }: IssuedState): boolean {
  const found = parts.find((part) => (part['functionCall'] as JsonObject | undefined)?.['name'] === call);
  return found === undefined || found['thoughtSignature'] === state;
}

function isThoughtOut(message: JsonObject, { call, text }: IssuedState): boolean {
  const calls = objects(message['tool_calls']);
  return !calls.some((made) => made['id'] === call) || message['reasoning_content'] === text;
}

function everyMessage(messages: Json | undefined, holds: (message: JsonObject) => boolean): boolean {
  return objects(messages).every(holds);
}

function objects(value: Json | undefined): JsonObject[] {
  const isObject = (entry: Json): entry is JsonObject => typeof entry === 'object' && entry !== null && !Array.isArray(entry);
  return Array.isArray(value) ? value.filter(isObject) : [];
}
