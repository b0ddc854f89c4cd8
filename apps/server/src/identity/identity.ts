import { randomBytes } from 'node:crypto';
import { ANONYMOUS_USER_ID } from '@everruns/contract';
import type { IdSource } from '@everruns/contract';
import { deleteTokensOf, ensureOperator, findLoginUser, promoteOperator, roleIn } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import type { AuthSettings } from '../config-auth.ts';
import { anyoneIn, createAuthenticate } from '../http/authenticate.ts';
import type { Authenticate } from '../http/authenticate.ts';
import type { TrustsOrigin } from '../http/own-origin.ts';
import type { AuthLimits } from '../limits/auth-limits.ts';
import { createAccessTokens } from './access-tokens.ts';
import { createAccountService } from './account-service.ts';
import type { AccountService } from './account-service.ts';
import { createLoginService, nameOf } from './login-service.ts';
import type { LoginService } from './login-service.ts';
import type { KnownUser, TokenLookup } from './lookup.ts';
import { createMailTokens } from './mail-tokens.ts';
import type { MailTokens } from './mail-tokens.ts';
import { createMailer, invitationMailsOf } from './mail/mailer.ts';
import type { InvitationMails, Mailer } from './mail/mailer.ts';
import { startOutbox } from './mail/outbox.ts';
import type { Outbox } from './mail/outbox.ts';
import type { MailTransport } from './mail/transport.ts';
import type { Passwords } from './passwords.ts';

/** Who people are and how they show it, as the rest of the control plane uses it. */
export interface Identity {
  readonly auth: AuthSettings;
  readonly authenticate: Authenticate;
  readonly logins: LoginService;
  readonly accounts: AccountService;
  readonly limits: AuthLimits;
  readonly mailer: Mailer;
  /** Null when mails are not sent. */
  readonly invitationMails: InvitationMails | null;
  readonly mailTokens: MailTokens;
  readonly trustsOrigin: TrustsOrigin;
  /** Address of the pages for people. */
  readonly frontendUrl: () => string;
  /** Null when mails are not sent. */
  readonly outbox: Outbox | null;
  stop(): Promise<void>;
}

export interface IdentityDeps {
  db: Database;
  ids: IdSource;
  auth: AuthSettings;
  passwords: Passwords;
  limits: AuthLimits;
  tokens: TokenLookup;
  transport: MailTransport | null;
  publicUrl: () => string;
  corsOrigins: readonly string[];
  now: () => Date;
  log: { warn(fields: object, text: string): void };
  /** Milliseconds between attempts to send a mail. */
  mailRetryMs?: readonly number[];
}

export function createIdentity(deps: IdentityDeps): Identity {
  const { db, ids, auth, passwords, limits, transport } = deps;
  // Nobody logs in without a secret; what is derived from this one ends with the process.
  const secret = auth.jwtSecret ?? randomBytes(32).toString('hex');
  const mailTokens = createMailTokens(secret);
  const accessTokens = createAccessTokens({ secret, lifetimeSecs: auth.accessSecs, now: deps.now });
  const frontendUrl = (): string => auth.frontendUrl ?? deps.publicUrl();
  const isPublic = (origin: string): boolean => URL.canParse(deps.publicUrl()) && origin === new URL(deps.publicUrl()).origin;
  const trustsOrigin: TrustsOrigin = (origin) => deps.corsOrigins.includes(origin) || isPublic(origin);
  const outbox = transport === null || auth.mode === 'none' ? null : startMails({ ...deps, transport }, mailTokens, frontendUrl);
  const mailer = createMailer({ isEnabled: outbox !== null, newId: () => ids.next(), poke: () => outbox?.poke() });
  return {
    auth,
    authenticate:
      auth.mode === 'none'
        ? anyoneIn((orgId, userId) => roleIn(db, orgId, userId), { trustsOrigin, publicUrl: deps.publicUrl })
        : createAuthenticate({
            accessTokens,
            logins: (login) => findLoginUser(db, login),
            tokens: deps.tokens,
            admits: (user) => isAdmitted(auth, user),
            trustsOrigin,
          }),
    logins: createLoginService({ db, ids, auth, passwords, limits, accessTokens }),
    accounts: createAccountService({ db, ids, auth, passwords, limits, mailTokens, mailer }),
    limits,
    mailer,
    invitationMails: invitationMailsOf(mailer, mailTokens),
    mailTokens,
    trustsOrigin,
    frontendUrl,
    outbox,
    async stop() {
      await outbox?.stop();
    },
  };
}

/** In mode `admin`, one person and the services that they made. */
export function isAdmitted({ mode, admin }: AuthSettings, user: KnownUser): boolean {
  return mode !== 'admin' || user.kind === 'service' || user.email === admin?.email;
}

function startMails(deps: IdentityDeps & { transport: MailTransport }, mailTokens: MailTokens, frontendUrl: () => string): Outbox {
  const { db, transport, log, mailRetryMs: retryMs } = deps;
  return startOutbox({
    db,
    transport,
    mailTokens,
    frontendUrl,
    onError: (error, mail) => log.warn({ err: error, ...(mail !== null && { mail }) }, 'mail not sent'),
    ...(retryMs !== undefined && { retryMs }),
  });
}

/**
 * Before the first request. Where people have accounts, no token of the anonymous user is left, who could do everything while there were none; and the
 * operator of mode `full` has their rights, and with a password in the environment their account.
 */
export async function prepareIdentity({
  db,
  ids,
  auth,
  passwords,
}: Pick<IdentityDeps, 'db' | 'ids' | 'auth' | 'passwords'>): Promise<void> {
  const { mode, admin } = auth;
  if (mode === 'none') return;
  await deleteTokensOf(db, ANONYMOUS_USER_ID);
  if (mode !== 'full' || admin === null) return;
  if (admin.password === null) {
    await promoteOperator(db, admin.email);
    return;
  }
  const passwordHash = await passwords.hash(admin.password);
  await ensureOperator(db, { userId: ids.next(), email: admin.email, name: nameOf(admin.email), passwordHash });
}
