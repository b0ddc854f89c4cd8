import { describe, expect, it } from 'vitest';
import { parseChangeReason } from './change-reason.ts';

describe('the reason of a change', () => {
  it('is percent-encoded UTF-8, trimmed', () => {
    expect(parseChangeReason('%20Kunde%20w%C3%BCnscht%20es%20')).toBe('Kunde wünscht es');
    expect(parseChangeReason('plain words are fine')).toBe('plain words are fine');
    expect(parseChangeReason(undefined)).toBeNull();
    expect(parseChangeReason('%20%20')).toBeNull();
  });

  it('has at most 1000 characters, counted as people see them, after trimming', () => {
    expect(parseChangeReason(encodeURIComponent(` ${'😀'.repeat(1_000)} `))).toBe('😀'.repeat(1_000));
    expect(() => parseChangeReason('a'.repeat(1_001))).toThrow(/1000 characters/);
  });

  it.each([
    ['a lone percent sign', '100% sure', /UTF-8/],
    ['bytes that are no UTF-8', '%ff%fe', /UTF-8/],
    ['letters without an escape', 'wünscht', /UTF-8/],
    ['a line break', 'one%0Atwo', /control characters/],
    ['a NUL', 'one%00two', /control characters/],
    ['a personal access token', `key evr_pat_${'0a'.repeat(32)}`, /credential/],
    ['a key of a vendor', 'sk-proj-abcdefghijklmnop0123', /credential/],
    ['a bearer token', 'Bearer abcdefghijklmnop1234', /credential/],
    ['a JWT', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc', /credential/],
    ['a private key', '-----BEGIN RSA PRIVATE KEY-----', /credential/],
    ['a password', 'password: hunter2000', /credential/],
    ['an address with a password', 'postgres://user:pass@host/db', /credential/],
  ])('is refused with %s, and never repeated', (_what, header, message) => {
    expect(() => parseChangeReason(header)).toThrow(message);
    try {
      parseChangeReason(header);
    } catch (error) {
      expect((error as Error).message).not.toContain(header);
      expect(error).toMatchObject({ code: 'invalid_change_reason', status: 400 });
    }
  });
});
