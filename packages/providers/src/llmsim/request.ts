import { createHash } from 'node:crypto';
import type { ModelMessage, ModelRequest, ToolResultPart } from '@everruns/agent/model';

/** What the simulator reads out of a request. Pure: every decision follows from the request, so any worker makes the same one. */

export function textOf(message: ModelMessage | undefined): string {
  if (message === undefined || message.role === 'tool') return '';
  return message.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
}

/** The last message that a person wrote; what the platform tells in between is passed over. */
export function lastUserIndex(request: ModelRequest): number {
  return request.messages.findLastIndex((message) => message.role === 'user' && !/^<(facts|system-notice)>\n/.test(textOf(message)));
}

export function lastUserText(request: ModelRequest): string {
  return textOf(request.messages[lastUserIndex(request)]);
}

/** How many answers the history holds from a position on. */
export function answersAfter(request: ModelRequest, index: number): number {
  return request.messages.slice(index + 1).filter((message) => message.role === 'assistant').length;
}

/** Results that arrived since the last user message. */
export function toolResults(request: ModelRequest): ToolResultPart[] {
  return request.messages.slice(lastUserIndex(request) + 1).flatMap((message) => (message.role === 'tool' ? message.content : []));
}

/** Short name of this request's place in its session: equal for a repeated attempt, different for every other step. */
export function placeOf(request: ModelRequest, anchor: number): string {
  const place = `${anchor}:${request.messages.length}:${textOf(request.messages[anchor])}`;
  return createHash('sha256').update(place).digest('hex').slice(0, 8);
}

/** Tokens are taken as four characters each. */
export function tokensOf(text: string): number {
  return Math.ceil(text.length / 4);
}

export function inputTokensOf(request: ModelRequest): number {
  const tools = request.tools.reduce((sum, tool) => sum + tool.name.length + tool.description.length, 0);
  const characters = (request.system?.length ?? 0) + tools + request.messages.reduce((sum, message) => sum + charactersOf(message), 0);
  return Math.ceil(characters / 4);
}

function charactersOf(message: ModelMessage): number {
  if (message.role !== 'tool') return message.content.reduce((sum, part) => sum + ('text' in part ? part.text.length : 64), 0);
  return message.content.reduce(
    (sum, { output }) => sum + (output.type === 'error' ? output.text : JSON.stringify(output.value)).length,
    0,
  );
}
