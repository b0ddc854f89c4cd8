import { dashed, fromPublicId, toPublicId } from './ids.ts';
import type { Uuid } from './ids.ts';

/**
 * Event ids are resume cursors: a UUIDv7 whose free bits say where in the session's log it stands, so that `since_id` resolves from the
 * id alone, on any instance, for durable and ephemeral events alike.
 *
 * ```
 * 48 bits  unix time in ms
 *  4       version 7
 * 12 + 20  sequence: of a durable event its own; of an ephemeral one the last sequence its stream had been served
 *          (split by the 2 variant bits)
 *  1       kind: 0 durable, 1 ephemeral
 * 12       session tag: the last 12 bits of the session id; another session's id is recognised as foreign
 * durable:   29 random
 * ephemeral: 22 text offset (UTF-16 units, saturating), 2 stream (output, thinking, tool), 5 tag of message and attempt
 * ```
 */
export type EventCursor =
  | { kind: 'durable'; sequence: number; sessionTag: number }
  | { kind: 'ephemeral'; sequence: number; sessionTag: number; offset: number; stream: TextStream; messageTag: number };

export type TextStream = 'output' | 'thinking' | 'tool';

const STREAMS: readonly TextStream[] = ['output', 'thinking', 'tool'];
export const MAX_SEQUENCE = 2 ** 31 - 1;
export const MAX_TEXT_OFFSET = 2 ** 22 - 1;

export function sessionTag(sessionId: Uuid): number {
  return Number.parseInt(sessionId.slice(-3), 16);
}

/** Five bits that tell one message attempt from another within the same neighbourhood of the log. */
export function messageTag(messageId: Uuid, attempt: number): number {
  return (Number.parseInt(messageId.slice(-2), 16) + attempt * 7) & 31;
}

/** The id of a durable event, as the SQL function `event_id` composes it too. `random` is an integer below 2^29. */
export function durableEventId(sessionId: Uuid, sequence: number, atMs: number, random: number): string {
  return compose(atMs, sequence, (BigInt(sessionTag(sessionId)) << 29n) | BigInt(random & 0x1fffffff));
}

export function ephemeralEventId(
  sessionId: Uuid,
  atMs: number,
  at: { sequence: number; offset: number; stream: TextStream; tag: number },
): string {
  const tail = (BigInt(Math.min(at.offset, MAX_TEXT_OFFSET)) << 7n) | (BigInt(STREAMS.indexOf(at.stream)) << 5n) | BigInt(at.tag & 31);
  return compose(atMs, at.sequence, (1n << 41n) | (BigInt(sessionTag(sessionId)) << 29n) | tail);
}

/** What an event id says, or null when it is malformed or no id of ours. */
export function parseEventId(id: string): EventCursor | null {
  const uuid = fromPublicId('event', id);
  if (uuid === null) return null;
  const hex = uuid.replaceAll('-', '');
  if (hex[12] !== '7') return null;
  const low = BigInt(`0x${hex.slice(16)}`);
  if (low >> 62n !== 2n) return null;
  const sequence = Number.parseInt(hex.slice(13, 16), 16) * 2 ** 20 + Number((low >> 42n) & 0xfffffn);
  if (sequence > MAX_SEQUENCE) return null;
  const tag = Number((low >> 29n) & 0xfffn);
  if (((low >> 41n) & 1n) === 0n) return { kind: 'durable', sequence, sessionTag: tag };
  const stream = STREAMS[Number((low >> 5n) & 3n)];
  if (stream === undefined) return null;
  return { kind: 'ephemeral', sequence, sessionTag: tag, offset: Number((low >> 7n) & 0x3fffffn), stream, messageTag: Number(low & 31n) };
}

function compose(atMs: number, sequence: number, tail: bigint): string {
  const high =
    atMs.toString(16).padStart(12, '0') +
    '7' +
    Math.floor(sequence / 2 ** 20)
      .toString(16)
      .padStart(3, '0');
  const low = (2n << 62n) | (BigInt(sequence % 2 ** 20) << 42n) | tail;
  return toPublicId('event', dashed(high + low.toString(16).padStart(16, '0')));
}
