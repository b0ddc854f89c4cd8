import { PlatformError } from '@everruns/contract';
import type { IdSource, Register, ResetPassword, Uuid } from '@everruns/contract';
import { askForReset, askToRegister, askToVerify, confirmAddress, createAccount, resetPassword, welcomeUser } from '@everruns/storage';
import type { Database, NewAccountToken, Welcome } from '@everruns/storage';
import type { AuthSettings } from '../config-auth.ts';
import type { AuthLimits } from '../limits/auth-limits.ts';
import type { Mailer } from './mail/mailer.ts';
import type { MailPurpose, MailTokens } from './mail-tokens.ts';
import type { Passwords } from './passwords.ts';
import { hashOf } from './token-text.ts';

/**
 * Accounts of people. Nothing here tells whether there is an account for an address: where somebody might want to know, the same is written for
 * every address, and who sends the mails looks what is true (`mail/account-mails.ts`).
 */
export interface AccountService {
  /**
   * The new user; null when the address has to be proven first, and then it may have an account already. Throws `signup_closed`, and `email_taken`
   * where addresses need no proof.
   */
  register(request: Register): Promise<Uuid | null>;
  forgotPassword(email: string): Promise<void>;
  /** Sets the password, ends all logins of the account and takes the address for proven. Throws `invalid_account_token`. */
  resetPassword(request: ResetPassword): Promise<{ userId: Uuid }>;
  /** Throws `invalid_account_token`. */
  verifyEmail(token: string): Promise<{ userId: Uuid }>;
  resendVerification(email: string): Promise<void>;
}

export interface AccountDeps {
  db: Database;
  ids: IdSource;
  auth: AuthSettings;
  passwords: Passwords;
  limits: AuthLimits;
  mailTokens: MailTokens;
  mailer: Mailer;
}

const HOUR_SECS = 3_600;
/** How long the link of a mail is good for. */
export const LINK_SECS = { reset: HOUR_SECS, verify: 24 * HOUR_SECS } as const;

export function welcomeOf({ admin, mode, joinsDefaultOrg }: AuthSettings): Welcome {
  return { operatorEmail: mode === 'none' ? null : (admin?.email ?? null), joinsDefaultOrg };
}

export function createAccountService(deps: AccountDeps): AccountService {
  const { db, ids, auth, mailer } = deps;
  const welcome = welcomeOf(auth);
  const tokenFor = (purpose: MailPurpose & ('reset' | 'verify'), email: string): NewAccountToken => {
    const id = ids.next();
    return { id, mailId: ids.next(), email, hash: hashOf(deps.mailTokens(purpose, id)), lifetimeSecs: LINK_SECS[purpose] };
  };
  /** Nobody is told that enough mails have been asked for. */
  const mail = async (email: string, write: () => Promise<void>): Promise<void> => {
    if (!mailer.isEnabled || !(await deps.limits.mayMail(email))) return;
    await write();
    mailer.poke();
  };
  const requirePasswords = (): void => {
    if (auth.mode !== 'full' || !auth.hasPasswords)
      throw new PlatformError('login_not_offered', 'Nobody has a password of their own here.');
  };
  const create = async ({ email, name }: Register, passwordHash: string): Promise<Uuid> => {
    const userId = ids.next();
    const isNew = await db.transaction(async (tx) => {
      if (!(await createAccount(tx, { userId, email, name, passwordHash }))) return false;
      // The operator's rights wait for the proof of the address.
      await welcomeUser(tx, { userId, email }, { ...welcome, operatorEmail: null });
      return true;
    });
    if (!isNew) throw new PlatformError('email_taken', 'There is an account with this address already.', { field: 'email' });
    await mail(email, () => askToVerify(db, tokenFor('verify', email)));
    return userId;
  };
  return {
    async register(request) {
      if (auth.signup === 'closed') throw new PlatformError('signup_closed', 'Accounts are made by an administrator here.');
      const { email, name } = request;
      const passwordHash = await deps.passwords.hash(request.password);
      if (auth.signup === 'open') return create(request, passwordHash);
      await mail(email, () => askToRegister(db, tokenFor('verify', email), { name, passwordHash }));
      return null;
    },
    async forgotPassword(email) {
      requirePasswords();
      await mail(email, () => askForReset(db, tokenFor('reset', email)));
    },
    async resetPassword({ token, password }) {
      requirePasswords();
      const passwordHash = await deps.passwords.hash(password);
      const reset = await resetPassword(db, { hash: hashOf(token), passwordHash, welcome });
      if (reset === null) throw invalidLink();
      return reset;
    },
    async verifyEmail(token) {
      if (auth.mode !== 'full') throw invalidLink();
      const takesRegistrations = auth.signup !== 'closed';
      const confirmed = await confirmAddress(db, { hash: hashOf(token), newUserId: ids.next(), takesRegistrations, welcome });
      if (confirmed === null) throw invalidLink();
      return confirmed;
    },
    async resendVerification(email) {
      if (auth.mode !== 'full') return;
      await mail(email, () => askToVerify(db, tokenFor('verify', email)));
    },
  };
}

function invalidLink(): PlatformError {
  return new PlatformError('invalid_account_token', 'The link has been used or has run out. Ask for a new one.', { field: 'token' });
}
