import type { Json } from '@everruns/agent/model';
import {
  argumentsOf,
  callIdOf,
  DEFAULT_USAGE,
  halvesOf,
  piecesOf,
  stateOf,
  type WireFrame,
  type WireIds,
  type WireReply,
} from './reply.ts';

type Block = { start: Json; deltas: Json[]; isOutput: boolean };

const STOP_REASONS = { stop: 'end_turn', length: 'max_tokens', content_filter: 'refusal' } as const;

/** Events of a streamed Messages answer. */
export function anthropicFrames(reply: WireReply, ids: WireIds): WireFrame[] {
  const usage = reply.usage ?? DEFAULT_USAGE;
  const { cacheReadTokens = 0, cacheCreationTokens = 0 } = usage;
  const input = {
    input_tokens: usage.inputTokens - cacheReadTokens - cacheCreationTokens,
    cache_read_input_tokens: cacheReadTokens,
    cache_creation_input_tokens: cacheCreationTokens,
  };
  const message = { id: ids.response, type: 'message', role: 'assistant', model: ids.model, content: [], stop_reason: null };
  const stopReason = reply.finish === undefined && reply.toolCalls?.length ? 'tool_use' : STOP_REASONS[reply.finish ?? 'stop'];
  return [
    event({ type: 'message_start', message: { ...message, usage: { ...input, output_tokens: 1 } } }),
    event({ type: 'ping' }),
    ...blocksOf(reply, ids).flatMap((block, index) => [
      event({ type: 'content_block_start', index, content_block: block.start }),
      ...block.deltas.map((delta) => event({ type: 'content_block_delta', index, delta }, block.isOutput)),
      event({ type: 'content_block_stop', index }),
    ]),
    event({
      type: 'message_delta',
      delta: { stop_reason: stopReason, stop_sequence: null },
      usage: {
        output_tokens: usage.outputTokens,
        ...(usage.reasoningTokens === undefined ? {} : { output_tokens_details: { thinking_tokens: usage.reasoningTokens } }),
      },
    }),
    event({ type: 'message_stop' }),
  ];
}

function blocksOf(reply: WireReply, ids: WireIds): Block[] {
  const blocks: Block[] = [];
  if (reply.thinking?.redacted === true) {
    blocks.push({ start: { type: 'redacted_thinking', data: stateOf(reply.thinking, ids) }, deltas: [], isOutput: true });
  } else if (reply.thinking !== undefined) {
    const thoughts = piecesOf(reply.thinking.text).map((thinking) => ({ type: 'thinking_delta', thinking }));
    const signature = { type: 'signature_delta', signature: stateOf(reply.thinking, ids) };
    blocks.push({ start: { type: 'thinking', thinking: '', signature: '' }, deltas: [...thoughts, signature], isOutput: true });
  }
  if (reply.text !== undefined) {
    const deltas = piecesOf(reply.text).map((text) => ({ type: 'text_delta', text }));
    blocks.push({ start: { type: 'text', text: '' }, deltas, isOutput: true });
  }
  for (const [position, call] of (reply.toolCalls ?? []).entries()) {
    const deltas = halvesOf(argumentsOf(call)).map((half) => ({ type: 'input_json_delta', partial_json: half }));
    blocks.push({ start: { type: 'tool_use', id: callIdOf(call, position, ids), name: call.name, input: {} }, deltas, isOutput: true });
  }
  return blocks;
}

function event(data: { type: string; [key: string]: Json }, isOutput = false): WireFrame {
  return { event: data.type, data, isOutput };
}
