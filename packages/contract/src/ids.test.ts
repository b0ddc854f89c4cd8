import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIdSource, dashed, fromPublicId, ID_PREFIXES, isUuid, toPublicId, uuidv7 } from './ids.ts';
import type { IdKind } from './ids.ts';

const KINDS = Object.keys(ID_PREFIXES) as IdKind[];
const UUID = '0198c0de-0000-7abc-8def-0123456789ab';
const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => dashed(Buffer.from(bytes).toString('hex')));

describe('public ids', () => {
  it.each(KINDS)('%s goes out and comes back', (kind) => {
    fc.assert(
      fc.property(uuid, (id) => {
        expect(isUuid(id)).toBe(true);
        expect(fromPublicId(kind, toPublicId(kind, id))).toBe(id);
      }),
      { seed: 20_260_102, numRuns: 50 },
    );
  });

  it('of one kind are none of another', () => {
    for (const kind of KINDS) {
      for (const other of KINDS) {
        if (kind !== other) expect(fromPublicId(other, toPublicId(kind, UUID))).toBeNull();
      }
    }
  });

  it('look as the contract says', () => {
    expect(toPublicId('workspace', UUID)).toBe('wsp_0198c0de00007abc8def0123456789ab');
    expect(toPublicId('organization', UUID)).toBe('org_0198c0de00007abc8def0123456789ab');
  });

  it.each([
    '',
    'session',
    'session_',
    UUID,
    `session_${UUID}`,
    'session_0198C0DE00007ABC8DEF0123456789AB',
    'session_0198c0de00007abc8def0123456789a',
    'session_0198c0de00007abc8def0123456789abc',
    'session_0198c0de00007abc8def0123456789ag',
    'session_0198c0de00007abc8def0123456789ab\n',
    ' session_0198c0de00007abc8def0123456789ab',
    'agent_0198c0de00007abc8def0123456789ab',
  ])('%j is no session id', (text) => {
    expect(fromPublicId('session', text)).toBeNull();
  });
});

describe('made ids', () => {
  it('version 7 carries the time and sorts by it', () => {
    const at = (ms: number): string => uuidv7(ms, new Uint8Array(10).fill(0xff));
    expect(at(0x0198c0de1234)).toBe('0198c0de-1234-7fff-bfff-ffffffffffff');
    expect([2_000, 1, 1_000].map(at).toSorted()).toEqual([1, 1_000, 2_000].map(at));
  });

  it('have the version and variant that RFC 9562 asks for, whatever the random bytes are', () => {
    for (const fill of [0x00, 0x5a, 0xff]) {
      const ids = createIdSource(
        () => 1_767_323_045_000,
        (n) => new Uint8Array(n).fill(fill),
      );
      expect(ids.next()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(ids.random()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  it.each([
    ['within a millisecond', (n: number) => 1_767_323_045_000 + Math.floor(n / 6_000)],
    ['when the clock steps back', (n: number) => 1_767_323_045_000 - n],
  ])('come in the order of their making %s', (_name, clock) => {
    let n = 0;
    const ids = createIdSource(() => clock(n++));
    const made = Array.from({ length: 10_000 }, () => ids.next());
    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(10_000);
  });

  it('differ with the randomness of the platform', () => {
    const ids = createIdSource();
    expect(new Set(Array.from({ length: 1_000 }, (_, n) => (n % 2 === 0 ? ids.next() : ids.random()))).size).toBe(1_000);
  });
});
