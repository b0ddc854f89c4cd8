import type { Uuid } from '@everruns/contract';
import { addMail } from '@everruns/storage';
import type { Queryable } from '@everruns/storage';
import type { MailTokens } from '../mail-tokens.ts';
import type { MailFacts } from './texts.ts';

/** Where services put mails. */
export interface Mailer {
  /** Mails are sent here at all. Without, nothing is written. */
  readonly isEnabled: boolean;
  /** Part of the transaction of what it tells of. */
  add<K extends keyof MailFacts>(tx: Queryable, mail: { kind: K; to: string; subjectId: Uuid | null; facts: MailFacts[K] }): Promise<void>;
  /** Has what was written sent soon, after its transaction. */
  poke(): void;
}

export function createMailer({ isEnabled, newId, poke }: { isEnabled: boolean; newId: () => Uuid; poke: () => void }): Mailer {
  return {
    isEnabled,
    async add(tx, { kind, to, subjectId, facts }) {
      if (isEnabled) await addMail(tx, { id: newId(), kind, recipient: to, subjectId, facts });
    },
    poke,
  };
}

/** Mails of invitations, as the service of organizations wants them. */
export interface InvitationMails {
  /** The part of its token that only this installation can derive. */
  secretOf(invitationId: Uuid): string;
  send(tx: Queryable, mail: { invitationId: Uuid; email: string; orgName: string }): Promise<void>;
}

/** By then the transaction that the mail was written in has ended, or the next look of the outbox finds it. */
const COMMITTED_MS = 200;

/** Null where mails are not sent: then whoever invites passes the link on. */
export function invitationMailsOf(mailer: Mailer, mailTokens: MailTokens): InvitationMails | null {
  if (!mailer.isEnabled) return null;
  return {
    secretOf: (invitationId) => mailTokens('invite', invitationId),
    async send(tx, { invitationId, email, orgName }) {
      await mailer.add(tx, { kind: 'invitation', to: email, subjectId: invitationId, facts: { organization: orgName } });
      setTimeout(() => mailer.poke(), COMMITTED_MS).unref();
    },
  };
}
