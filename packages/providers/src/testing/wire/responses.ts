import type { Json } from '@everruns/agent/model';
import {
  argumentsOf,
  callIdOf,
  DEFAULT_USAGE,
  halvesOf,
  piecesOf,
  stateOf,
  stringOf,
  type WireFrame,
  type WireIds,
  type WireReply,
  type WireUsage,
} from './reply.ts';

type Item = Record<string, Json>;

/** Events of a streamed Responses answer, numbered from 0. */
export function responsesFrames(reply: WireReply, ids: WireIds): WireFrame[] {
  const started = { id: ids.response, object: 'response', created_at: 1_700_000_000, model: ids.model, status: 'in_progress', output: [] };
  const frames: Array<Omit<WireFrame, 'data'> & { data: Item }> = [
    { data: { type: 'response.created', response: started }, isOutput: false },
    { data: { type: 'response.in_progress', response: started }, isOutput: false },
    ...outputItems(reply, ids).flatMap((item, index) => itemFrames(item, index)),
    {
      data: { type: reply.finish === 'length' ? 'response.incomplete' : 'response.completed', response: finishedResponse(reply, ids) },
      isOutput: false,
    },
  ];
  return frames.map((frame, sequence) => ({
    ...frame,
    event: stringOf(frame.data['type']),
    data: { ...frame.data, sequence_number: sequence },
  }));
}

/** The response as it can be retrieved once it is finished. */
export function finishedResponse(reply: WireReply, ids: WireIds): Item {
  const isIncomplete = reply.finish === 'length';
  return {
    id: ids.response,
    object: 'response',
    created_at: 1_700_000_000,
    model: ids.model,
    status: isIncomplete ? 'incomplete' : 'completed',
    ...(isIncomplete ? { incomplete_details: { reason: 'max_output_tokens' } } : {}),
    output: outputItems(reply, ids),
    usage: responsesUsage(reply.usage),
  };
}

function outputItems(reply: WireReply, ids: WireIds): Item[] {
  const items: Item[] = [];
  if (reply.thinking !== undefined) {
    items.push({
      type: 'reasoning',
      id: `rs_${ids.serial}`,
      summary: [{ type: 'summary_text', text: reply.thinking.text }],
      encrypted_content: stateOf(reply.thinking, ids),
    });
  }
  if (reply.text !== undefined) {
    const content = [{ type: 'output_text', text: reply.text, annotations: [] }];
    items.push({ type: 'message', id: `msg_${ids.serial}`, role: 'assistant', status: 'completed', content });
  }
  for (const [position, call] of (reply.toolCalls ?? []).entries()) {
    items.push({
      type: 'function_call',
      id: `fc_${ids.serial}_${position}`,
      call_id: callIdOf(call, position, ids),
      name: call.name,
      arguments: argumentsOf(call),
      status: 'completed',
    });
  }
  return items;
}

function itemFrames(item: Item, index: number): Array<{ data: Item; isOutput: boolean }> {
  const place = { item_id: item['id'] ?? null, output_index: index };
  const frame = (data: Item, isOutput = false) => ({ data, isOutput });
  const added = (started: Item) => frame({ type: 'response.output_item.added', output_index: index, item: { ...item, ...started } });
  const done = frame({ type: 'response.output_item.done', output_index: index, item });
  switch (stringOf(item['type'])) {
    case 'reasoning': {
      const text = textOf(item['summary']);
      const summary = { ...place, summary_index: 0 };
      return [
        added({ summary: [], encrypted_content: null }),
        frame({ type: 'response.reasoning_summary_part.added', ...summary }),
        ...piecesOf(text).map((delta) => frame({ type: 'response.reasoning_summary_text.delta', ...summary, delta }, true)),
        frame({ type: 'response.reasoning_summary_part.done', ...summary }),
        done,
      ];
    }
    case 'message': {
      const deltas = piecesOf(textOf(item['content'])).map((delta) =>
        frame({ type: 'response.output_text.delta', ...place, content_index: 0, delta }, true),
      );
      return [added({ content: [] }), ...deltas, done];
    }
    default: {
      const deltas = halvesOf(stringOf(item['arguments'])).map((delta) =>
        frame({ type: 'response.function_call_arguments.delta', ...place, delta }, true),
      );
      return [added({ arguments: '' }), ...deltas, done];
    }
  }
}

function textOf(parts: Json | undefined): string {
  return Array.isArray(parts) ? parts.map((part) => stringOf((part as Item)['text'])).join('') : '';
}

function responsesUsage(usage: WireUsage = DEFAULT_USAGE): Json {
  return {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    input_tokens_details: { cached_tokens: usage.cacheReadTokens ?? 0 },
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
  };
}
