import type { SessionEvent } from '@everruns/contract';
import { expect, it } from 'vitest';
import { NotFoundError } from './errors.ts';
import { followSession } from './stream.ts';
import { pause } from './transport.ts';

interface Frame {
  event?: string;
  data: unknown;
}

const durable = (sequence: number): Frame => ({
  event: 'turn.started',
  data: { id: `event_${sequence}`, type: 'turn.started', sequence, context: {}, data: {} },
});
const delta = (id: string): Frame => ({ event: 'output.message.delta', data: { id, type: 'output.message.delta', context: {}, data: {} } });
const connected: Frame = { event: 'connected', data: { status: 'connected' } };
const cycled: Frame = { event: 'disconnecting', data: { reason: 'connection_cycle', retry_ms: 7 } };
const text = ({ event, data }: Frame): string => `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;

/** One connection: its frames, in chunks of so many bytes; then it ends, or stays open and silent. */
interface Connection {
  frames?: Frame[];
  chunk?: number;
  stays?: boolean;
  status?: number;
}

function server(connections: Connection[]) {
  const asked: string[] = [];
  const fetcher = async (input: string, init?: RequestInit): Promise<Response> => {
    init?.signal?.throwIfAborted();
    const connection = connections[asked.length] ?? { stays: true };
    asked.push(input);
    if (connection.status !== undefined) return new Response('{}', { status: connection.status });
    const bytes = new TextEncoder().encode([connected, ...(connection.frames ?? [])].map(text).join(''));
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const size = connection.chunk ?? bytes.length;
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        if (connection.stays !== true) controller.close();
        init?.signal?.addEventListener('abort', () => controller.error(init.signal?.reason));
      },
    });
    return new Response(body, { status: 200, headers: { 'content-type': 'text/event-stream' } });
  };
  return { asked, fetcher };
}

async function read(connections: Connection[], count: number, options: Parameters<typeof followSession>[2] = {}) {
  const { asked, fetcher } = server(connections);
  const pauses: number[] = [];
  const settings = {
    baseUrl: 'http://test.example/api',
    fetch: fetcher as unknown as typeof fetch,
    headers: async () => ({}),
    pause: async (ms: number, signal?: AbortSignal | null) => {
      pauses.push(ms);
      await pause(0, signal);
    },
    random: () => 1,
    silenceMs: 40,
    minDelayMs: 100,
    maxDelayMs: 1_000,
  };
  const events: SessionEvent[] = [];
  if (count > 0)
    for await (const event of followSession(settings, 'session_1', options)) {
      events.push(event);
      if (events.length === count) break;
    }
  return { ids: events.map(({ id }) => id), queries: asked.map((each) => each.split('?')[1] ?? ''), pauses };
}

it('goes on where it was after the server has cycled, as soon as the server says', async () => {
  const { ids, queries, pauses } = await read([{ frames: [durable(1), durable(2), cycled] }, { frames: [durable(3)] }], 3, {
    after: 'start',
  });
  expect(ids).toEqual(['event_1', 'event_2', 'event_3']);
  expect(queries).toEqual(['after_sequence=0', 'since_id=event_2']);
  expect(pauses).toEqual([7]);
});

it('takes a delta as the place to go on from', async () => {
  const { queries } = await read([{ frames: [durable(1), delta('event_d')] }, { frames: [durable(2)] }], 3);
  expect(queries).toEqual(['', 'since_id=event_d']);
});

it('shows no durable event twice, whatever a server repeats', async () => {
  const { ids } = await read([{ frames: [durable(1), durable(2)] }, { frames: [durable(1), durable(2), durable(3)] }], 3);
  expect(ids).toEqual(['event_1', 'event_2', 'event_3']);
});

it('reads frames that come in single bytes', async () => {
  expect((await read([{ frames: [durable(1), durable(2)], chunk: 1 }], 2)).ids).toEqual(['event_1', 'event_2']);
});

it('waits longer from one failure to the next, and starts over after a success', async () => {
  const { pauses } = await read([{ status: 503 }, { status: 429 }, { status: 502 }, { frames: [durable(1)] }, { frames: [durable(2)] }], 2);
  expect(pauses).toEqual([100, 200, 400, 100]);
});

it('gives a silent connection up', async () => {
  const reasons: string[] = [];
  const { ids } = await read([{ stays: true }, { frames: [durable(1)] }], 1, { onReconnect: (reason) => reasons.push(reason) });
  expect(ids).toEqual(['event_1']);
  expect(reasons).toEqual(['silent']);
});

it('throws what waiting cannot mend', async () => {
  await expect(read([{ status: 404 }], 1)).rejects.toBeInstanceOf(NotFoundError);
});

it('asks for what is wanted, key by key', async () => {
  const { queries } = await read([{ frames: [durable(1)] }], 1, {
    after: 9,
    types: ['turn.started', 'turn.failed'],
    exclude: ['tool.started'],
  });
  expect(queries[0]).toBe('after_sequence=9&types=turn.started&types=turn.failed&exclude=tool.started');
});

it('ends with the reason of its signal', async () => {
  const abort = new AbortController();
  const reading = read([{ stays: true }], 1, { signal: abort.signal });
  abort.abort(new Error('enough'));
  await expect(reading).rejects.toThrow('enough');
});
