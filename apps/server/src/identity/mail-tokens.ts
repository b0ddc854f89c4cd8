import { createHmac, hkdfSync } from 'node:crypto';
import type { Uuid } from '@everruns/contract';

/** Before the derived part of an invitation's token, which shows what it is wherever it turns up. */
export const INVITATION_PREFIX = 'evrinv_';

/** What the link in a mail proves. */
export type MailPurpose = 'reset' | 'verify' | 'invite';

/**
 * The token of a link, from the row that it is good for. It is derived each time the mail is sent, so nothing that is stored lets anybody in: the
 * row has only its hash.
 */
export type MailTokens = (purpose: MailPurpose, rowId: Uuid) => string;

export function createMailTokens(secret: string): MailTokens {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'everruns links in mails', 32));
  return (purpose, rowId) => createHmac('sha256', key).update(`${purpose}|${rowId}`).digest('hex');
}
