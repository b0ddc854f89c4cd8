import type { TaskFailure, TaskOutcome } from '@everruns/contract';

/** More than one message carries, with room for what goes around it: the stream would break, and again after every reconnect. */
export const MAX_PAYLOAD_BYTES = 60 * 1024 * 1024;
/** UTF-16 units of text in one delta. */
const MAX_DELTA_LENGTH = 4 * 1024 * 1024;

/** What a step wants to say does not fit into a message; it would not the next time either. */
export class PayloadTooLarge extends Error {
  override readonly name = 'PayloadTooLarge';
}

/** JSON as bytes. Throws `PayloadTooLarge`. */
export function encodePayload(value: unknown, maxBytes: number = MAX_PAYLOAD_BYTES): Buffer {
  let bytes: Buffer;
  try {
    bytes = Buffer.from(JSON.stringify(value));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new PayloadTooLarge('It is longer than any text can be.', { cause: error });
  }
  if (bytes.length > maxBytes) throw new PayloadTooLarge(`It has ${bytes.length} bytes, at most ${maxBytes} can be sent.`);
  return bytes;
}

/** An outcome as bytes; for one that is too large, what is recorded in its place: its call or step is over, and not run again. */
export function encodeOutcome(outcome: TaskOutcome, maxBytes: number = MAX_PAYLOAD_BYTES): Buffer {
  try {
    return encodePayload(outcome, maxBytes);
  } catch (error) {
    if (!(error instanceof PayloadTooLarge)) throw error;
    if (outcome.kind !== 'tool') return encodePayload(tooLarge(error));
    // It has run: a failure would leave open whether it took effect.
    const text = `outcome_too_large: The call has run, but its result cannot be recorded. ${error.message}`;
    return encodePayload({ kind: 'tool', status: 'error', error: text, duration_ms: outcome.duration_ms, events: [] });
  }
}

/** How a step ends that said something too large. */
export function tooLarge(error: PayloadTooLarge): TaskFailure {
  const message = `outcome_too_large: What the step produced cannot be recorded. ${error.message}`;
  return { kind: 'failure', code: 'outcome_too_large', message, retryable: false };
}

/** A text in parts that fit; no character is cut in two. */
export function splitText(text: string, maxLength: number = MAX_DELTA_LENGTH): string[] {
  if (text.length <= maxLength) return [text];
  const parts: string[] = [];
  for (let from = 0; from < text.length;) {
    const to = Math.min(text.length, from + maxLength);
    const end = to < text.length && isHighSurrogate(text.charCodeAt(to - 1)) && to - 1 > from ? to - 1 : to;
    parts.push(text.slice(from, end));
    from = end;
  }
  return parts;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
