import type { TextMark } from '@everruns/storage';
import { toPublicId } from '@everruns/contract';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LiveTexts } from './live-texts.ts';
import type { Piece } from './live-texts.ts';
import { MESSAGE, SESSION, TURN } from './testing/events.ts';

const OTHER = '019a0000-0000-7000-8000-000000000def';

function piece(offset: number, text: string, startedSequence = 5, more: Partial<Piece> = {}): Piece {
  const turnId = toPublicId('turn', TURN);
  return { sessionId: SESSION, stream: 'output', messageId: MESSAGE, turnId, attempt: 1, startedSequence, offset, text, ...more };
}

const mark = (sequence: number, type: string, messageId: string | null = null): TextMark => ({
  sequence,
  type,
  messageId,
  attempt: null,
  outputOffset: null,
});

function texts(): LiveTexts {
  return new LiveTexts(() => 0);
}

it('W9: puts a text together from pieces that repeat and overlap, and from nothing that leaves a hole', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 40 }), fc.array(fc.tuple(fc.nat(40), fc.nat(12)), { maxLength: 60 }), (text, cuts) => {
      const known = texts();
      let end = -1;
      for (const [from, length] of cuts) {
        const part = text.slice(from, from + length);
        const result = known.append(piece(from, part));
        if (from > Math.max(end, 0)) expect(result).toBe('gap');
        else end = Math.max(end, Math.min(from + part.length, text.length), 0);
        expect(known.of(SESSION, 'output')?.text ?? '').toBe(text.slice(0, Math.max(end, 0)));
      }
      expect(known.units).toBe(Math.max(end, 0));
    }),
  );
});

it('W9: replaces a text by one that started later, and drops what started earlier', () => {
  const known = texts();
  known.append(piece(0, 'first try', 5));
  expect(known.append(piece(0, 'second', 8))).toBe('appended');
  expect(known.append(piece(9, ' goes on', 5))).toBe('stale');
  expect(known.of(SESSION, 'output')?.text).toBe('second');
});

it.each([
  ['its completed event', mark(6, 'output.message.completed', toPublicId('message', MESSAGE))],
  ['another attempt', mark(6, 'reason.recovered')],
  ['the next step', mark(6, 'reason.started')],
  ['the end of the turn', mark(6, 'turn.cancelled')],
  ['the start of a newer one', mark(6, 'output.message.started', 'message_x')],
])('is over with %s, and stays over', (_, end) => {
  const known = texts();
  known.hold(SESSION);
  known.append(piece(0, 'abc'));
  known.apply(SESSION, end);
  expect(known.of(SESSION, 'output')).toBeNull();
  expect(known.append(piece(0, 'abc'))).toBe('stale');
});

it.each([
  ['the completed event of another message', mark(6, 'output.message.completed', 'message_other')],
  ['the end of thinking', mark(6, 'reason.thinking.completed')],
  ['an event from before it started', mark(4, 'reason.recovered')],
])('goes on after %s', (_, other) => {
  const known = texts();
  known.append(piece(0, 'abc'));
  known.apply(SESSION, other);
  expect(known.append(piece(3, 'd'))).toBe('appended');
});

it('keeps nothing of sessions that nobody watches once their texts are over', () => {
  const known = texts();
  known.append(piece(0, 'abc'));
  known.apply(SESSION, mark(6, 'turn.completed'));
  known.release(SESSION);
  expect([known.count, known.units]).toEqual([0, 0]);
});

it('lets go of the oldest texts that nobody watches, when there are too many', () => {
  let now = 0;
  const known = new LiveTexts(() => now);
  for (const [index, sessionId] of [SESSION, OTHER].entries()) {
    now = index;
    known.append(piece(0, 'x'.repeat(100), 5, { sessionId }));
  }
  known.prune({ idleMs: 1_000, maxUnits: 150 }, () => false);
  expect([known.of(SESSION, 'output'), known.of(OTHER, 'output')?.text.length]).toEqual([null, 100]);
  known.prune({ idleMs: 1_000, maxUnits: 0 }, (id) => id === OTHER);
  expect(known.units).toBe(100);
  now = 2_000;
  known.prune({ idleMs: 1_000, maxUnits: 1_000 }, () => false);
  expect(known.count).toBe(0);
});
