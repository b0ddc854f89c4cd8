import { DEFAULT_ORG_ID } from '@everruns/contract';
import type { IdSource, Role, Uuid } from '@everruns/contract';
import { createAccount, joinOrganization } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import type { AuthMode, AuthSettings } from '../../config-auth.ts';
import { createIdentity } from '../../identity/identity.ts';
import type { Identity } from '../../identity/identity.ts';
import { createPasswords } from '../../identity/passwords.ts';
import { createTokenLookup } from '../../identity/token-uses.ts';
import type { Mail, MailTransport } from '../../identity/mail/transport.ts';
import { createAuthLimits } from '../../limits/auth-limits.ts';
import type { AuthRates } from '../../limits/auth-limits.ts';
import type { Limiter } from '../../limits/limiter.ts';

/** The real identity of the product for a test, with hashes of passwords that cost next to nothing and mails that are kept in memory. */

export const PASSWORD = 'correct horse 1';
const CHEAP = { memoryCost: 8, timeCost: 1 };
const NO_LIMITS = {
  loginsPerMinute: 0,
  registersPerMinute: 0,
  refreshesPerMinute: 0,
  clientsPerMinute: 0,
  accountLogins: 0,
  accountMailsPerMinute: 0,
  accountMailsPerDay: 0,
};

export type TestAuth = AuthMode | (Partial<Omit<AuthSettings, 'rates'>> & { mode: AuthMode; rates?: Partial<AuthRates> });

export function authSettings(auth: TestAuth): AuthSettings {
  const given: Exclude<TestAuth, string> = typeof auth === 'string' ? { mode: auth } : auth;
  const { mode } = given;
  return {
    jwtSecret: mode === 'none' ? null : 'a secret of more than thirty-two bytes',
    accessSecs: 900,
    refreshSecs: 2_592_000,
    admin: mode === 'admin' ? { email: 'admin@example.com', password: PASSWORD } : null,
    hasPasswords: mode !== 'none',
    signup: mode === 'full' ? 'confirmed' : 'closed',
    hasNewcomers: mode === 'full',
    joinsDefaultOrg: false,
    baseUrl: null,
    frontendUrl: null,
    mail: { provider: 'disabled' },
    ...given,
    rates: { ...NO_LIMITS, ...given.rates },
  };
}

/** Keeps what is sent. */
export interface Mailbox extends MailTransport {
  readonly mails: readonly Mail[];
}

export function mailbox(): Mailbox {
  const mails: Mail[] = [];
  return { mails, send: async (mail) => void mails.push(mail), close: () => undefined };
}

export interface TestIdentityOptions {
  db: Database;
  ids: IdSource;
  auth: TestAuth;
  limiter: Limiter;
  transport: MailTransport | null;
  publicUrl: () => string;
  corsOrigins?: readonly string[];
  now?: () => Date;
  mailRetryMs?: readonly number[];
}

export async function testIdentity(options: TestIdentityOptions): Promise<Identity> {
  const { db, ids, limiter, transport, publicUrl, mailRetryMs } = options;
  const auth = authSettings(options.auth);
  return createIdentity({
    db,
    ids,
    auth,
    passwords: await createPasswords(CHEAP),
    limits: createAuthLimits(limiter, auth.rates),
    tokens: createTokenLookup(db, { used: () => undefined }),
    transport,
    publicUrl,
    corsOrigins: options.corsOrigins ?? [],
    now: options.now ?? (() => new Date()),
    log: { warn: () => undefined },
    ...(mailRetryMs !== undefined && { mailRetryMs }),
  });
}

export interface Person {
  userId: Uuid;
  email: string;
  /** Of a login that is theirs; the password is `PASSWORD`. */
  accessToken: string;
  refreshToken: string;
  /** Headers of a request of theirs. */
  headers: Record<string, string>;
}

export interface PersonOptions {
  /** In the organization; null: member of none. Default owner. */
  role?: Role | null;
  /** Default the default organization. */
  orgId?: Uuid;
  email?: string;
  name?: string;
  isPlatformUser?: boolean;
  isVerified?: boolean;
}

/** Somebody with a proven address who is logged in, without the detour through mails. */
export async function makePerson(
  { db, ids, identity }: { db: Database; ids: IdSource; identity: Identity },
  options: PersonOptions = {},
): Promise<Person> {
  const { role = 'owner', orgId = DEFAULT_ORG_ID, isPlatformUser = false, isVerified = true, name = 'Person' } = options;
  const userId = ids.next();
  const email = options.email ?? `person-${userId.slice(-12)}@example.com`;
  const passwordHash = await (await createPasswords(CHEAP)).hash(PASSWORD);
  if (!(await createAccount(db, { userId, email, name, passwordHash }))) throw new Error(`${email} has an account already.`);
  const text = 'update users set email_verified_at = case when $2 then engine_now() end, is_platform_user = $3 where id = $1';
  await db.run({ name: 'test_person', text }, [userId, isVerified, isPlatformUser]);
  if (role !== null) await joinOrganization(db, { orgId, userId, role });
  const { response, refreshToken } = await identity.logins.open(userId, { userAgent: null, ip: '127.0.0.1' });
  const headers = { authorization: `Bearer ${response.access_token}` };
  return { userId, email, accessToken: response.access_token, refreshToken, headers };
}
