import type { Json } from '@everruns/agent/model';

export type WireProtocol = 'responses' | 'chat' | 'anthropic' | 'google';

export interface WireUsage {
  /** Cached tokens included, as everywhere in this product; each protocol gets its own way of counting. */
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens?: number;
  cacheCreationTokens?: number;
  reasoningTokens?: number;
}

export interface WireToolCall {
  /** Made up where the protocol has one; Gemini sends none unless this is set. */
  id?: string;
  name: string;
  arguments?: Json;
  /** Sent instead of `arguments` as it is. Gemini has no way to say it: it reports a malformed call. */
  rawArguments?: string;
}

export interface WireThinking {
  text: string;
  /** Opaque state: signature, encrypted content, thought signature. Made up when absent. */
  state?: string;
  /** Anthropic: a redacted block, whose state is all there is. */
  redacted?: boolean;
}

export interface WireFailure {
  status: number;
  message?: string;
  code?: string;
  type?: string;
  param?: string;
  headers?: Record<string, string>;
  /** Sent instead of the protocol's error object. */
  body?: string;
}

/** How far the answer gets: nothing at all, the headers, or so many frames that carry output. */
export type WireProgress = 'request' | 'headers' | number;

/** One scripted answer, said in the words of no particular provider. */
export interface WireReply {
  thinking?: WireThinking;
  text?: string;
  toolCalls?: WireToolCall[];
  usage?: WireUsage;
  finish?: 'stop' | 'length' | 'content_filter';
  error?: WireFailure;
  /** An error event inside the stream, behind the output; with `stallAfter` the connection stays open after it. */
  streamError?: WireFailure;
  /** The connection breaks. */
  cutAfter?: WireProgress;
  /** Nothing more arrives, and the connection stays. */
  stallAfter?: WireProgress;
  /** The stream ends in good order, but without its end. */
  endAfter?: number;
  /** Sent with status 200 instead of an answer. */
  garbage?: { body: string; contentType?: string };
  chunkDelayMs?: number;
  /** Between the last frame and the end of the body. */
  endDelayMs?: number;
}

export interface WireFrame {
  event?: string;
  data: Json;
  /** Carries a piece of the answer. */
  isOutput: boolean;
}

/** Names that one answer gives to its parts. */
export interface WireIds {
  response: string;
  /** Counts answers, so that ids differ. */
  serial: number;
  model: string;
}

export const DEFAULT_USAGE: WireUsage = { inputTokens: 11, outputTokens: 7 };

export function callIdOf(call: WireToolCall, position: number, ids: WireIds): string {
  return call.id ?? `call_${ids.serial}_${position}`;
}

export function stateOf(thinking: WireThinking, ids: WireIds): string {
  return thinking.state ?? `opaque-state-${ids.serial}==`;
}

export function argumentsOf(call: WireToolCall): string {
  return call.rawArguments ?? JSON.stringify(call.arguments ?? {});
}

export function stringOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** Two or more pieces of a text, so that a stream can break between them. */
export function piecesOf(text: string): string[] {
  return text.match(/\S+\s*|\s+/g) ?? [];
}

export function halvesOf(text: string): string[] {
  const middle = Math.ceil(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)].filter((half) => half !== '');
}
