import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createOrgKey, open, parseKek, parseSealed, seal, SecretError, unwrapOrgKey } from './envelope.ts';
import type { NamedKey, SealedSecret, SecretPlace } from './envelope.ts';

const place: SecretPlace = { table: 'providers', column: 'api_key_encrypted', rowId: 'row-1', orgId: 'org-1' };
const key: NamedKey = { id: 'org-key-1', bytes: randomBytes(32) };

function flipped(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  return bytes.toString('base64');
}

describe('a sealed value', () => {
  test('opens in its own place', () => {
    expect(open(seal('sk-secret ключ', key, place), key, place)).toBe('sk-secret ключ');
  });

  test('has the stored format, and nothing of the plaintext in it', () => {
    const sealed = seal('sk-secret', key, place);
    expect(sealed).toMatchObject({ version: 1, alg: 'AES-256-GCM', key_id: 'org-key-1' });
    expect(Object.keys(sealed).sort()).toEqual(['alg', 'ciphertext', 'dek_wrapped', 'key_id', 'nonce', 'version']);
    expect(Buffer.from(sealed.nonce, 'base64')).toHaveLength(12);
    expect(Buffer.from(sealed.dek_wrapped, 'base64')).toHaveLength(12 + 32 + 16);
    expect(JSON.stringify(sealed)).not.toContain('sk-secret');
  });

  test('differs each time it is sealed', () => {
    const [first, second] = [seal('same', key, place), seal('same', key, place)];
    expect(first.ciphertext).not.toBe(second.ciphertext);
    expect(first.dek_wrapped).not.toBe(second.dek_wrapped);
  });

  const elsewhere: [string, Partial<SecretPlace>][] = [
    ['another row', { rowId: 'row-2' }],
    ['another organization', { orgId: 'org-2' }],
    ['another column', { column: 'credentials_encrypted' }],
    ['another table', { table: 'mcp_servers' }],
    ['parts that only join to the same text', { rowId: 'row-1org', orgId: '-1' }],
  ];
  test.each(elsewhere)('does not open in %s', (_name, other) => {
    expect(() => open(seal('x', key, place), key, { ...place, ...other })).toThrow(SecretError);
  });

  const tampered: [string, (sealed: SealedSecret) => SealedSecret][] = [
    ['ciphertext', (s) => ({ ...s, ciphertext: flipped(s.ciphertext) })],
    ['nonce', (s) => ({ ...s, nonce: flipped(s.nonce) })],
    ['wrapped data key', (s) => ({ ...s, dek_wrapped: flipped(s.dek_wrapped) })],
    ['truncated ciphertext', (s) => ({ ...s, ciphertext: '' })],
    ['truncated data key', (s) => ({ ...s, dek_wrapped: s.dek_wrapped.slice(0, 16) })],
    ['data key of another value', (s) => ({ ...s, dek_wrapped: seal('other', key, place).dek_wrapped })],
    ['longer nonce that moves the boundary', (s) => ({ ...s, nonce: s.nonce + s.ciphertext })],
  ];
  test.each(tampered)('does not open with a changed %s', (_name, change) => {
    expect(() => open(change(seal('x', key, place)), key, place)).toThrow(SecretError);
  });

  test('does not open with a key of another id, or other bytes under the same id', () => {
    const sealed = seal('x', key, place);
    expect(() => open(sealed, { id: 'org-key-2', bytes: key.bytes }, place)).toThrow(/under key org-key-1/);
    expect(() => open(sealed, { id: key.id, bytes: randomBytes(32) }, place)).toThrow(SecretError);
  });

  test.each([null, 'text', [], {}, { version: 2, alg: 'AES-256-GCM' }, { ...seal('x', key, place), alg: 'none' }])(
    'is refused in an unknown format: %j',
    (value) => {
      expect(() => parseSealed(value)).toThrow(SecretError);
    },
  );
});

describe('an organization key', () => {
  const kek: NamedKey = { id: 'kek-v1', bytes: randomBytes(32) };

  test('unwraps with the key that wrapped it, also when that is no longer the first', () => {
    const made = createOrgKey(kek, 'org-1', 'key-1');
    const newer: NamedKey = { id: 'kek-v2', bytes: randomBytes(32) };
    expect(unwrapOrgKey(made.wrapped, [newer, kek], 'org-1', 'key-1')).toEqual(made.key);
  });

  test('does not unwrap for another organization or under another id', () => {
    const { wrapped } = createOrgKey(kek, 'org-1', 'key-1');
    expect(() => unwrapOrgKey(wrapped, [kek], 'org-2', 'key-1')).toThrow(SecretError);
    expect(() => unwrapOrgKey(wrapped, [kek], 'org-1', 'key-2')).toThrow(SecretError);
  });

  test('names the missing key-encryption key', () => {
    const { wrapped } = createOrgKey(kek, 'org-1', 'key-1');
    expect(() => unwrapOrgKey(wrapped, [{ id: 'kek-v2', bytes: randomBytes(32) }], 'org-1', 'key-1')).toThrow(/kek-v1 is not configured/);
  });
});

describe('SECRETS_ENCRYPTION_KEY', () => {
  const encoded = Buffer.alloc(32, 1).toString('base64');

  test('is an id and 32 bytes', () => {
    expect(parseKek(`kek-v1:${encoded}`)).toEqual({ id: 'kek-v1', bytes: Buffer.alloc(32, 1) });
  });

  const wrong = [
    '',
    encoded,
    `:${encoded}`,
    'kek-v1:',
    'kek-v1:abc',
    `kek-v1:${Buffer.alloc(31).toString('base64')}`,
    `kek v1:${encoded}`,
    `kek-v1:${encoded}=`,
  ];
  test.each(wrong)('is refused when it is %j, without repeating it', (text) => {
    expect(() => parseKek(text)).toThrow(SecretError);
    if (text.length > 20) expect(() => parseKek(text)).not.toThrow(text.slice(-20));
  });
});
