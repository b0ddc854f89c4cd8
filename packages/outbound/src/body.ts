import { OutboundError } from './errors.ts';

export interface ReadLimits {
  /** After decompression. */
  maxBytes: number;
  /** Ends the reading; what has come by then is kept. */
  signal: AbortSignal;
}

export interface ReadBody {
  bytes: Uint8Array;
  /** Why it is not the whole body: too much of it, the signal, or a connection that broke off. */
  cut?: 'size' | 'time' | 'broken';
}

/** Reads a body as far as the limits go. Never rejects: what came before the end is worth more than the end. */
export async function readBody(body: ReadableStream<Uint8Array> | null, { maxBytes, signal }: ReadLimits): Promise<ReadBody> {
  if (body === null) return { bytes: new Uint8Array() };
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const aborted = Promise.withResolvers<'time'>();
  const onAbort = () => aborted.resolve('time');
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const done = (cut?: ReadBody['cut']): ReadBody => {
    reader.cancel().catch(() => undefined);
    return { bytes: Buffer.concat(chunks), ...(cut !== undefined && { cut }) };
  };
  try {
    for (;;) {
      const step = await Promise.race([reader.read(), aborted.promise]);
      if (step === 'time') return done('time');
      if (step.done) return done();
      const room = maxBytes - size;
      chunks.push(step.value.length > room ? step.value.subarray(0, room) : step.value);
      size += Math.min(step.value.length, room);
      if (step.value.length > room) return done('size');
    }
  } catch {
    return done(signal.aborted ? 'time' : 'broken');
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The same stream, which fails as soon as it has given more than so many bytes. */
export function limitStream(body: ReadableStream<Uint8Array>, maxBytes: number, onEnd: () => void): ReadableStream<Uint8Array> {
  let size = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      size += chunk.length;
      if (size <= maxBytes) return controller.enqueue(chunk);
      onEnd();
      controller.error(new OutboundError('ERR_OUTBOUND_TOO_LARGE', `The answer is larger than ${maxBytes} bytes.`));
    },
    flush: onEnd,
  });
  return body.pipeThrough(counted);
}
