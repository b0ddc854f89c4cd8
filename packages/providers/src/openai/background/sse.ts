import { objectOf, type WireObject } from './events.ts';

/** Events of a Responses stream as objects. Ends with the body; throws what the connection throws. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<WireObject> {
  let pending = '';
  for await (const text of body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
    const blocks = (pending + text).split(/\r?\n\r?\n/);
    pending = blocks.pop() ?? '';
    for (const block of blocks) yield* eventOf(block);
  }
}

function eventOf(block: string): WireObject[] {
  const lines = block.split(/\r?\n/).filter((line) => line.startsWith('data:'));
  const data = lines.map((line) => line.slice('data:'.length).trimStart()).join('\n');
  if (data === '' || data === '[DONE]') return [];
  const event = objectOf(JSON.parse(data));
  return event === undefined ? [] : [event];
}

/** The same events as a body again, for a reader that expects one. Pulls on demand; cancelling it returns the source. */
export function toEventStream(events: AsyncIterator<WireObject>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await events.next();
        if (next.done === true) controller.close();
        else controller.enqueue(encoder.encode(`data: ${JSON.stringify(next.value)}\n\n`));
      },
      cancel() {
        // Not awaited: a source that waits for its next event ends with the connection's signal.
        void events.return?.().then(undefined, () => undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
