import type { Uuid } from '@everruns/contract';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { welcomeUser } from './accounts.ts';
import type { Welcome } from './accounts.ts';
import { NOT_ANONYMOUS } from './known-users.ts';
import { endLogins } from './logins.ts';

/** Who users are at providers of logins. */

/** Somebody whom a provider vouches for, with an address that it has verified, in canonical form. */
export interface ProviderIdentity {
  provider: string;
  /** Never changes, and is nobody else's. */
  subject: string;
  email: string;
  name: string;
  avatarUrl: string | null;
}

export interface ProviderLoginPolicy {
  newUserId: Uuid;
  /** Whether somebody who has no account gets one. */
  admitsNewcomers: boolean;
  welcome: Welcome;
}

/** `unproven`: the address has an account that nobody has shown to be theirs. */
export type ProviderLoginOutcome = { kind: 'known' | 'linked' | 'created'; userId: Uuid } | { kind: 'unproven' } | { kind: 'no_newcomers' };

interface Account extends Row {
  id: Uuid;
  is_linkable: boolean;
}

const KNOWN: Statement = {
  name: 'identity_known',
  text: `update user_identities i set email = $3 from users u
    where i.provider = $1 and i.subject = $2 and u.id = i.user_id and u.kind = 'person' and ${NOT_ANONYMOUS} returning u.id`,
};
const BY_EMAIL: Statement = {
  name: 'identity_account',
  text: `select u.id, u.kind = 'person' and u.email_verified_at is not null and ${NOT_ANONYMOUS} as is_linkable
    from users u where u.email = $1 for update`,
};
const CREATE: Statement = {
  name: 'identity_create_user',
  text: `insert into users (id, email, name, auth_provider, avatar_url, email_verified_at) values ($1, $2, $3, $4, $5, engine_now())
    on conflict (email) do nothing returning id`,
};
const LINK: Statement = {
  name: 'identity_link',
  text: `insert into user_identities (provider, subject, user_id, email) values ($1, $2, $3, $4)
    on conflict (provider, subject) do nothing returning user_id as id`,
};
const SPEND: Statement = {
  name: 'login_state_spend',
  text: `insert into spent_login_states (state_hash, expires_at) values ($1, engine_now() + make_interval(secs => $2))
    on conflict (state_hash) do nothing returning state_hash`,
};

/** True the first time that this state comes back. */
export async function spendLoginState(db: Queryable, stateHash: Uint8Array, lifetimeSecs: number): Promise<boolean> {
  return (await db.run(SPEND, [stateHash, lifetimeSecs])).length > 0;
}

/**
 * Whose login this is: the user that the identity has been linked to; else the account of its address, provided that whoever has that has proven
 * the address too; else a new one. Linking ends the logins that there are: whoever was in before need not be the one who is now.
 */
export function resolveIdentity(
  db: Database,
  identity: ProviderIdentity,
  { newUserId, admitsNewcomers, welcome }: ProviderLoginPolicy,
): Promise<ProviderLoginOutcome> {
  const { provider, subject, email, name, avatarUrl } = identity;
  return db.transaction(async (tx): Promise<ProviderLoginOutcome> => {
    const known = async (): Promise<Uuid | null> => (await tx.run<{ id: Uuid }>(KNOWN, [provider, subject, email]))[0]?.id ?? null;
    const link = async (userId: Uuid): Promise<boolean> => (await tx.run(LINK, [provider, subject, userId, email])).length > 0;
    const before = await known();
    if (before !== null) return { kind: 'known', userId: before };
    const created = admitsNewcomers ? await tx.run<{ id: Uuid }>(CREATE, [newUserId, email, name, provider, avatarUrl]) : [];
    if (created.length > 0) {
      if (await link(newUserId)) {
        await welcomeUser(tx, { userId: newUserId, email }, welcome);
        return { kind: 'created', userId: newUserId };
      }
      throw new Error('An identity was linked to two accounts at once.');
    }
    const [account] = await tx.run<Account>(BY_EMAIL, [email]);
    if (account === undefined) return { kind: 'no_newcomers' };
    if (!account.is_linkable) return { kind: 'unproven' };
    if (await link(account.id)) {
      await endLogins(tx, account.id);
      return { kind: 'linked', userId: account.id };
    }
    const other = await known();
    return other === null ? { kind: 'unproven' } : { kind: 'known', userId: other };
  });
}
