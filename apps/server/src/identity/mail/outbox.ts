import { accountMailFacts, mailFailed, mailSent, nextMailMs, takeMails } from '@everruns/storage';
import type { AccountMailFacts, Database, TakenMail } from '@everruns/storage';
import { INVITATION_PREFIX } from '../mail-tokens.ts';
import type { MailTokens } from '../mail-tokens.ts';
import { accountExistsMail, invitationMail, resetMail, verifyMail } from './texts.ts';
import type { MailFacts, MailText } from './texts.ts';
import type { MailTransport } from './transport.ts';

/**
 * Sends what stands in the outbox. Every instance does; a mail is taken for the time of one attempt, so that each attempt is one instance's, and
 * stays until the mail server has it or the last attempt has failed. Whoever dies between sending and noting it has sent it twice, under one id.
 */
export interface Outbox {
  /** Looks at once whether something is due. */
  poke(): void;
  /** Resolves when nothing more is due now. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export interface OutboxDeps {
  db: Database;
  transport: MailTransport;
  mailTokens: MailTokens;
  /** Address of the pages for people. */
  frontendUrl: () => string;
  onError: (error: unknown, mail: { id: string; kind: string; isLast: boolean } | null) => void;
  /** Milliseconds from each failed attempt to the next; after the last the mail has failed. */
  retryMs?: readonly number[];
}

const MINUTE_MS = 60_000;
export const RETRY_MS = [5_000, 30_000, 2 * MINUTE_MS, 10 * MINUTE_MS, 30 * MINUTE_MS, 60 * MINUTE_MS, 120 * MINUTE_MS];
const AT_ONCE = 5;
/** Longer than an attempt can take; who has not settled by then is dead. */
const ATTEMPT_MS = 3 * MINUTE_MS;
/** Others may have written what they could not send. */
const LOOK_MS = 10_000;
/** Longest that a stop waits for attempts; what is not settled then is sent by whoever is left. */
const GRACE_MS = 2_000;

export function startOutbox(deps: OutboxDeps): Outbox {
  let stopped = false;
  let wanted = true;
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  const round = async (): Promise<void> => {
    while (wanted && !stopped) {
      wanted = false;
      const taken = await takeMails(deps.db, { limit: AT_ONCE, forMs: ATTEMPT_MS });
      await Promise.all(taken.map((mail) => attempt(deps, mail)));
      wanted ||= taken.length > 0;
    }
  };
  const plan = async (): Promise<void> => {
    const inMs = stopped ? null : await nextMailMs(deps.db).catch(() => null);
    if (stopped) return;
    timer = setTimeout(poke, Math.min(LOOK_MS, Math.max(inMs ?? LOOK_MS, 20)));
    timer.unref();
  };
  const poke = (): void => {
    wanted = true;
    if (stopped) return;
    if (timer !== null) clearTimeout(timer);
    running ??= round()
      .catch((error: unknown) => deps.onError(error, null))
      .then(plan)
      .finally(() => {
        running = null;
        if (wanted) poke();
      });
  };
  poke();
  return {
    poke,
    async settled() {
      while (running !== null) await running;
    },
    async stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      const patience = Promise.withResolvers<void>();
      const giveUp = setTimeout(patience.resolve, GRACE_MS);
      await Promise.race([running, patience.promise]);
      clearTimeout(giveUp);
      deps.transport.close();
    },
  };
}

async function attempt(deps: OutboxDeps, mail: TakenMail): Promise<void> {
  const { db, transport, retryMs = RETRY_MS } = deps;
  try {
    const text = await textOf(deps, mail);
    if (text !== null) await transport.send({ id: mail.id, to: mail.recipient, ...text });
    await mailSent(db, mail.id);
  } catch (error) {
    const delayMs = isRefusal(error) ? null : (retryMs[mail.attempts - 1] ?? null);
    deps.onError(error, { id: mail.id, kind: mail.kind, isLast: delayMs === null });
    const reason = error instanceof Error ? error.message : String(error);
    await mailFailed(db, mail, { error: reason.slice(0, 500), delayMs }).catch((cause: unknown) => deps.onError(cause, null));
  }
}

/** The server will not deliver to this address, however often it is asked. */
function isRefusal(error: unknown): boolean {
  const { responseCode, command } = (error ?? {}) as { responseCode?: unknown; command?: unknown };
  return typeof responseCode === 'number' && responseCode >= 500 && command === 'RCPT TO';
}

/** Null when there is nothing to tell any more. */
async function textOf({ db, mailTokens, frontendUrl }: OutboxDeps, mail: TakenMail): Promise<MailText | null> {
  const { kind, subject_id: subjectId } = mail;
  if (kind === 'invitation' && subjectId !== null) {
    const url = `${frontendUrl()}/invites/${INVITATION_PREFIX}${mailTokens('invite', subjectId)}`;
    return invitationMail(mail.facts as MailFacts['invitation'], url);
  }
  if (kind !== 'account' || subjectId === null) throw new Error(`There is no text for mails of kind ${kind}.`);
  const facts = await accountMailFacts(db, subjectId);
  const told = facts === null ? null : accountMailOf(facts);
  if (told === null) return null;
  if (told === 'account_exists') return accountExistsMail(`${frontendUrl()}/login`);
  const token = mailTokens(told, subjectId);
  return told === 'reset'
    ? resetMail(`${frontendUrl()}/reset-password?token=${token}`)
    : verifyMail(`${frontendUrl()}/verify-email?token=${token}`);
}

/** Somebody asked for something about an address; what its owner is told depends on what is true by now. */
export function accountMailOf({
  purpose,
  is_registration,
  user_name,
  is_verified,
}: AccountMailFacts): 'reset' | 'verify' | 'account_exists' | null {
  const hasAccount = user_name !== null;
  if (purpose === 'reset') return hasAccount ? 'reset' : null;
  if (is_verified) return is_registration ? 'account_exists' : null;
  return hasAccount || is_registration ? 'verify' : null;
}
