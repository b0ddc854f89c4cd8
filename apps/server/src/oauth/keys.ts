import { createHmac, createPrivateKey, hkdfSync } from 'node:crypto';
import type { JsonWebKey } from 'node:crypto';

/** What the authorization server signs with. Everything follows from one secret, so that all instances have the same. */
export interface OAuthKeys {
  /** Of the cookies that tie a request to the browser it was made in. */
  cookies: string;
  /** The server signs no tokens with it, but does not start without. */
  signing: JsonWebKey;
  /** Proof that a form is of the page that this user was shown. */
  formToken(parts: readonly string[]): string;
}

const KEY_BYTES = 32;
/** An Ed25519 private key is this and its 32 bytes (RFC 8410). */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export function createOAuthKeys(secret: string): OAuthKeys {
  const derived = (purpose: string): Buffer => Buffer.from(hkdfSync('sha256', secret, '', `everruns oauth ${purpose}`, KEY_BYTES));
  const seed = derived('signing');
  const formKey = derived('forms');
  return {
    cookies: derived('cookies').toString('base64url'),
    signing: createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, seed]), format: 'der', type: 'pkcs8' }).export({ format: 'jwk' }),
    formToken: (parts) => createHmac('sha256', formKey).update(JSON.stringify(parts)).digest('base64url'),
  };
}
