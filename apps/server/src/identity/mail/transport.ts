import { createTransport } from 'nodemailer';

/** How mails leave this process. */

export type MailSettings = { provider: 'disabled' } | { provider: 'console' } | SmtpSettings;

export interface SmtpSettings {
  provider: 'smtp';
  url: string;
  from: string;
  /** Authority to trust instead of those that Node knows. */
  ca?: string;
}

export interface Mail {
  /** The same in each attempt, so that whoever gets it twice keeps it once. */
  id: string;
  to: string;
  subject: string;
  text: string;
  html: string;
}

export interface MailTransport {
  /** Rejects when the mail was not taken. */
  send(mail: Mail): Promise<void>;
  close(): void;
}

/** A server that does not answer within this is away. */
const TIMEOUTS = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000, dnsTimeout: 10_000 };

/** Null: mails are not sent at all. */
export function openTransport(settings: MailSettings, log: { info(fields: object, text: string): void }): MailTransport | null {
  if (settings.provider === 'disabled') return null;
  if (settings.provider === 'smtp') return smtpTransport(settings);
  return {
    async send({ to, subject, text }) {
      log.info({ to, subject, text }, 'mail');
    },
    close: () => undefined,
  };
}

function smtpTransport({ url, from, ca }: SmtpSettings): MailTransport {
  const domain = /@([A-Za-z0-9.-]+)/.exec(from)?.[1] ?? 'localhost';
  // The library reads options from the query too, such as `?requireTLS=true`.
  const transport = createTransport(
    { url, ...TIMEOUTS, ...(ca !== undefined && { tls: { ca } }) },
    { from, disableFileAccess: true, disableUrlAccess: true },
  );
  return {
    async send({ id, to, subject, text, html }) {
      const headers = { 'auto-submitted': 'auto-generated', 'x-auto-response-suppress': 'All' };
      await transport.sendMail({ to, subject, text, html, headers, messageId: `<${id}@${domain}>` });
    },
    close: () => transport.close(),
  };
}
