/** Places elsewhere that say who somebody is. */

export interface LoginProvider {
  /** In paths and in the database. */
  readonly id: 'google' | 'github';
  /** For people. */
  readonly name: string;
  /** Where the browser is sent to. Rejects when the provider cannot be asked. */
  start(attempt: LoginAttempt): Promise<URL>;
  /** Who has come back. Rejects with a `ProviderRefusal` when nobody is to be let in, and with anything else when it cannot be known. */
  finish(attempt: LoginAttempt, query: URLSearchParams): Promise<Vouched>;
}

/** What belongs to one attempt, and comes back with it in a cookie. */
export interface LoginAttempt {
  redirectUri: string;
  state: string;
  nonce: string;
  /** The secret of PKCE. */
  verifier: string;
}

/** Somebody with an address that the provider has verified. */
export interface Vouched {
  subject: string;
  email: string;
  name: string;
  avatarUrl: string | null;
}

/** Says so to the person: they cancelled, or are not among those who may come in. */
export class ProviderRefusal extends Error {
  override readonly name = 'ProviderRefusal';
  readonly reason: 'cancelled' | 'not_permitted';

  constructor(reason: 'cancelled' | 'not_permitted', message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface ProviderClient {
  clientId: string;
  clientSecret: string;
  /** Null: the address of the API, with the provider's path. */
  redirectUri: string | null;
}

/** A provider that does not answer within this is down. */
export const PROVIDER_TIMEOUT_SECS = 10;
