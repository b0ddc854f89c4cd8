import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { durableEventId, ephemeralEventId, MAX_SEQUENCE, MAX_TEXT_OFFSET, messageTag, parseEventId, sessionTag } from './event-id.ts';
import type { TextStream } from './event-id.ts';
import { dashed, isUuid } from './ids.ts';

const SESSION = '0198c0de-0000-7abc-8def-0123456789ab';
const AT_MS = 1_767_323_045_123;
const STREAMS: readonly TextStream[] = ['output', 'thinking', 'tool'];

const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => dashed(Buffer.from(bytes).toString('hex')));
const sequence = fc.oneof(
  fc.integer({ min: 0, max: MAX_SEQUENCE }),
  fc.constantFrom(0, 1, 77, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, MAX_SEQUENCE),
);
const atMs = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const RUNS = { seed: 20_260_102, numRuns: 1_000 };

function uuidOf(id: string): string {
  return dashed(id.slice('event_'.length));
}

describe('the id of a durable event', () => {
  it('says its sequence and its session', () => {
    fc.assert(
      fc.property(uuid, sequence, atMs, fc.integer({ min: 0, max: 2 ** 29 - 1 }), (session, n, ms, random) => {
        const id = durableEventId(session, n, ms, random);
        expect(parseEventId(id)).toEqual({ kind: 'durable', sequence: n, sessionTag: sessionTag(session) });
      }),
      RUNS,
    );
  });

  it('is a UUID of version 7 and of the right variant, with the time in front', () => {
    fc.assert(
      fc.property(sequence, atMs, (n, ms) => {
        const id = uuidOf(durableEventId(SESSION, n, ms, 12_345));
        expect(isUuid(id)).toBe(true);
        expect(id[14]).toBe('7');
        expect('89ab').toContain(id[19]);
        expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(ms);
      }),
      RUNS,
    );
  });

  it.each([
    [1, 0, 'event_019b7ca98d0370008000053560000000'],
    [2 ** 20, 1, 'event_019b7ca98d0370018000013560000001'],
    [MAX_SEQUENCE, 2 ** 29 - 1, 'event_019b7ca98d0377ffbffffd357fffffff'],
  ])('of sequence %i is laid out as written down', (n, random, id) => {
    expect(durableEventId(SESSION, n, AT_MS, random)).toBe(id);
  });
});

describe('the id of an ephemeral event', () => {
  it('says what its stream had been served, and how far its text goes', () => {
    const offset = fc.integer({ min: 0, max: MAX_TEXT_OFFSET });
    fc.assert(
      fc.property(
        uuid,
        sequence,
        offset,
        fc.tuple(fc.constantFrom(...STREAMS), fc.integer({ min: 0, max: 31 })),
        (session, n, at, [stream, tag]) => {
          const id = ephemeralEventId(session, AT_MS, { sequence: n, offset: at, stream, tag });
          expect(parseEventId(id)).toEqual({
            kind: 'ephemeral',
            sequence: n,
            sessionTag: sessionTag(session),
            offset: at,
            stream,
            messageTag: tag,
          });
        },
      ),
      RUNS,
    );
  });

  it('stops counting at the largest offset it can say', () => {
    const id = ephemeralEventId(SESSION, AT_MS, { sequence: 1, offset: MAX_TEXT_OFFSET + 10, stream: 'output', tag: 0 });
    expect(parseEventId(id)).toMatchObject({ offset: MAX_TEXT_OFFSET });
  });

  it('is never taken for a durable one', () => {
    const at = { sequence: 5, offset: 0, stream: 'output', tag: 0 } as const;
    expect(parseEventId(ephemeralEventId(SESSION, AT_MS, at))).toMatchObject({ kind: 'ephemeral' });
    expect(parseEventId(durableEventId(SESSION, 5, AT_MS, 0))).toMatchObject({ kind: 'durable' });
  });
});

describe('messageTag', () => {
  it('tells the attempts of a message apart', () => {
    const tags = [1, 2, 3, 4, 5].map((attempt) => messageTag(SESSION, attempt));
    expect(new Set(tags).size).toBe(5);
    for (const tag of tags) expect(tag).toBeLessThan(32);
  });
});

describe('parseEventId', () => {
  const hex = (high: string, low: string): string => `event_${high}${low}`;

  it.each([
    ['nothing', ''],
    ['a bare UUID', SESSION],
    ['another kind of id', 'session_0198c0de00007abc8def0123456789ab'],
    ['upper case', durableEventId(SESSION, 1, AT_MS, 0).toUpperCase()],
    ['a UUID of version 4', hex('019b7ca63c034000', '8000000000000000')],
    ['another variant', hex('019b7ca63c037000', 'c000000000000000')],
    ['a sequence above the largest', hex('019b7ca63c037fff', 'bfffffffffffffff')],
    ['a stream that there is not', hex('019b7ca63c037000', '8000020000000060')],
  ])('refuses %s', (_what, id) => {
    expect(parseEventId(id)).toBeNull();
  });
});
