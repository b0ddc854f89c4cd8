import { createHash, randomBytes } from 'node:crypto';

/** What a token looks like. Scanners of leaked secrets know the prefix, and the header of a request tells it from an access token by it. */
export const TOKEN_PREFIX = 'evr_pat_';
const TOKEN = /^evr_pat_[0-9a-f]{64}$/;
const SHOWN_DIGITS = 8;

export interface TokenText {
  /** The whole token: never stored. */
  text: string;
  hash: Buffer;
  /** What may be shown of it. */
  prefix: string;
}

export function newTokenText(): TokenText {
  const text = `${TOKEN_PREFIX}${randomBytes(32).toString('hex')}`;
  return { text, hash: hashOf(text), prefix: `${text.slice(0, TOKEN_PREFIX.length + SHOWN_DIGITS)}...` };
}

export function isTokenText(text: string): boolean {
  return TOKEN.test(text);
}

/** Of anything secret that is long and random enough to need no more than a hash. */
export function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** 256 bits that fit into a URL. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}
