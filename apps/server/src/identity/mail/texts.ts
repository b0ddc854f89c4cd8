/** What mails say. Plain words, one link; names that people chose stand in them only as text. */

/** What a mail tells of, by kind; no secrets, for it waits in the database. */
export interface MailFacts {
  invitation: { organization: string };
}

export interface MailText {
  subject: string;
  text: string;
  html: string;
}

interface Draft {
  subject: string;
  /** Paragraphs before the link and after it. */
  before: readonly string[];
  link: { label: string; url: string };
  after: readonly string[];
}

export function resetMail(url: string): MailText {
  return written({
    subject: 'Set a new password',
    before: ['Somebody, hopefully you, wants to set a new password for your account.'],
    link: { label: 'Set a new password', url },
    after: ['The link can be used once, within an hour. If it was not you, do nothing: your password stays as it is.'],
  });
}

export function verifyMail(url: string): MailText {
  return written({
    subject: 'Confirm your e-mail address',
    before: ['An account is to be used with this e-mail address. If it is yours, confirm it.'],
    link: { label: 'Confirm the address', url },
    after: ['The link can be used once, within a day. If you did not ask for an account, do not open it.'],
  });
}

export function accountExistsMail(url: string): MailText {
  return written({
    subject: 'You have an account already',
    before: ['Somebody, hopefully you, wanted to sign up with this e-mail address. It has an account already.'],
    link: { label: 'Log in', url },
    after: ['If you do not know the password any more, ask for a new one there. If it was not you, do nothing.'],
  });
}

export function invitationMail({ organization }: MailFacts['invitation'], url: string): MailText {
  const name = oneLine(organization);
  return written({
    subject: `You are invited to ${name}`,
    before: [`You are invited to join the organization ${name}.`],
    link: { label: 'Accept the invitation', url },
    after: ['The link is good for a week, and for this e-mail address only. If you do not know what this is about, do nothing.'],
  });
}

function written({ subject, before, link, after }: Draft): MailText {
  const text = [...before, link.url, ...after].join('\n\n');
  const paragraphs = [...before.map(escaped), `<a href="${escaped(link.url)}">${escaped(link.label)}</a>`, ...after.map(escaped)];
  const html = `<!doctype html><html><body>${paragraphs.map((paragraph) => `<p>${paragraph}</p>`).join('')}</body></html>`;
  return { subject, text: `${text}\n`, html };
}

const MAX_NAME = 100;

/** Names come from people: none may begin a header, or be long enough to hide what follows. */
function oneLine(name: string): string {
  const line = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  const characters = Array.from(line);
  return characters.length > MAX_NAME ? `${characters.slice(0, MAX_NAME).join('')}...` : line;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
