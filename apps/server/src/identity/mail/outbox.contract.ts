import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createIdSource } from '@everruns/contract';
import { askForReset, createAccount, openDatabase, takeMails } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { createAuthority } from '@everruns/testing/certificates';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { SMTPServer } from 'smtp-server';
import type { SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { hashOf } from '../token-text.ts';
import { createMailTokens } from '../mail-tokens.ts';
import { createMailer, invitationMailsOf } from './mailer.ts';
import { startOutbox } from './outbox.ts';
import type { Outbox } from './outbox.ts';
import { openTransport } from './transport.ts';
import type { SmtpSettings } from './transport.ts';

const ids = createIdSource();
const mailTokens = createMailTokens('a secret of more than thirty-two bytes');
const quiet = { info: () => undefined };
let database: TestDatabase;
let db: Database;
const open: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase(database.settings);
});
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
  await db.run({ name: 't_empty', text: 'delete from mail_outbox' });
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

interface Post {
  url: string;
  port: number;
  /** Whole mails, as they came over the wire. */
  letters: string[];
}

/** A mail server on a socket. */
async function post(options: SMTPServerOptions = {}, port = 0): Promise<Post> {
  const letters: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.secure === true || options.cert !== undefined ? [] : ['STARTTLS'],
    onData(stream, _session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        letters.push(Buffer.concat(chunks).toString());
        done();
      });
    },
    ...options,
  });
  server.on('error', () => undefined); // clients that give up
  const listening = server.listen(port, '127.0.0.1');
  await once(listening, 'listening');
  open.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const bound = (listening.address() as AddressInfo).port;
  return { url: `smtp://127.0.0.1:${bound}`, port: bound, letters };
}

function outbox(
  settings: Partial<SmtpSettings> & { url: string },
  retryMs: readonly number[] = Array<number>(200).fill(20),
): Outbox & { errors: string[] } {
  const errors: string[] = [];
  const transport = openTransport({ provider: 'smtp', from: 'Everruns <no-reply@example.com>', ...settings }, quiet);
  if (transport === null) throw new Error('There is no transport.');
  const onError = (error: unknown): void => void errors.push(String(error));
  const started = startOutbox({ db, transport, mailTokens, frontendUrl: () => 'https://app.example.com', onError, retryMs });
  open.push(() => started.stop());
  return { ...started, errors };
}

let accounts = 0;
/** Somebody who has asked for a new password: a mail that is due. */
async function askedForReset(): Promise<{ email: string; token: string }> {
  const email = `person${++accounts}@example.com`;
  await createAccount(db, { userId: ids.next(), email, name: 'Person', passwordHash: 'hash' });
  const id = ids.next();
  const token = mailTokens('reset', id);
  await askForReset(db, { id, mailId: ids.next(), email, hash: hashOf(token), lifetimeSecs: 3_600 });
  return { email, token };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const patience = performance.now() + 10_000;
  while (!(await isSo())) {
    if (performance.now() > patience) throw new Error('It did not come about.');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
const rows = () =>
  db.run<{ attempts: number; failed: boolean; error: string | null }>({
    name: 't_rows',
    text: 'select attempts, failed_at is not null as failed, error from mail_outbox',
  });
const decoded = (letter: string): string => letter.replaceAll('=\r\n', '').replaceAll('=3D', '=');

test('a mail goes out as text and as HTML, with the link, and is gone from the outbox', async () => {
  const server = await post();
  const { email, token } = await askedForReset();
  outbox({ url: server.url });
  await until(async () => (await rows()).length === 0);
  const [letter = ''] = server.letters.map(decoded);
  for (const part of [
    'From: Everruns <no-reply@example.com>',
    `To: ${email}`,
    'Subject: Set a new password',
    'Auto-Submitted: auto-generated',
  ]) {
    expect(letter).toContain(part);
  }
  expect(letter).toMatch(/Message-ID: <[0-9a-f-]{36}@example\.com>/i);
  expect(letter.split(`https://app.example.com/reset-password?token=${token}`)).toHaveLength(3);
  expect([letter.includes('text/plain'), letter.includes('text/html')]).toEqual([true, true]);
});

test('names that people chose are text in it, and begin no header', async () => {
  const server = await post();
  const box = outbox({ url: server.url });
  const mailer = createMailer({ isEnabled: true, newId: () => ids.next(), poke: () => box.poke() });
  const mail = { invitationId: ids.next(), email: 'ann@example.com', orgName: 'Acme\r\nBcc: all@example.com <script>alert(1)</script>' };
  await db.transaction(async (tx) => invitationMailsOf(mailer, mailTokens)?.send(tx, mail));
  await until(() => server.letters.length === 1);
  const letter = decoded(server.letters[0] ?? '');
  expect(letter).not.toMatch(/^Bcc:/m);
  expect(letter).toContain('&lt;script&gt;');
  expect(letter.slice(letter.indexOf('text/html'))).not.toContain('<script>');
  expect(letter).toContain(`https://app.example.com/invites/evrinv_${mailTokens('invite', mail.invitationId)}`);
});

test('a server that is away for a while has it when it is back', async () => {
  const { port } = await post();
  await open.pop()?.();
  await askedForReset();
  const box = outbox({ url: `smtp://127.0.0.1:${port}` });
  await until(() => box.errors.length >= 3);
  const server = await post({}, port);
  await until(() => server.letters.length === 1);
  await until(async () => (await rows()).length === 0);
});

test('a server that refuses the password is asked again, one that refuses the recipient is not', async () => {
  let password = 'the old one';
  const server = await post({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: (auth, _session, done) => (auth.password === password ? done(null, { user: 'u' }) : done(new Error('no'))),
  });
  await askedForReset();
  const box = outbox({ url: server.url.replace('//', '//u:the%20new%20one@') });
  await until(() => box.errors.length >= 2);
  expect(box.errors.join()).not.toContain('the new one');
  password = 'the new one';
  await until(() => server.letters.length === 1);

  const picky = await post({
    onRcptTo: (_address, _session, done) => done(Object.assign(new Error('no such mailbox'), { responseCode: 550 })),
  });
  await until(async () => (await rows()).length === 0);
  await askedForReset();
  outbox({ url: picky.url });
  await until(async () => (await rows())[0]?.failed === true);
  expect(await rows()).toMatchObject([{ attempts: 1, error: expect.stringContaining('no such mailbox') as unknown }]);
});

test('after the last attempt it has failed, and stays for whoever looks why', async () => {
  const { port } = await post();
  await open.pop()?.();
  await askedForReset();
  outbox({ url: `smtp://127.0.0.1:${port}` }, [1, 1, 1]);
  await until(async () => (await rows())[0]?.failed === true);
  expect(await rows()).toMatchObject([{ attempts: 4, error: expect.stringContaining('ECONNREFUSED') as unknown }]);
});

test('TLS: an authority that is not trusted gets nothing, a trusted one does', async () => {
  const authority = await createAuthority();
  open.push(() => authority.dispose());
  const issued = await authority.issue(['IP:127.0.0.1', 'DNS:localhost']);
  const wrongName = await authority.issue(['DNS:elsewhere.example.com']);
  const implicit = await post({ ...issued, secure: true });
  const upgraded = await post(issued);
  const misnamed = await post({ ...wrongName, secure: true });
  const ca = authority.ca.toString();
  const smtps = (server: Post): string => server.url.replace('smtp:', 'smtps:');
  await askedForReset();
  const refused = [outbox({ url: smtps(implicit) }), outbox({ url: upgraded.url }), outbox({ url: smtps(misnamed), ca })];
  for (const box of refused) {
    await until(() => {
      box.poke();
      return box.errors.some((text) => /certificate|altnames/i.test(text));
    });
    await box.stop();
  }
  outbox({ url: smtps(implicit), ca });
  await until(() => implicit.letters.length === 1);
  await until(async () => (await rows()).length === 0);
  await askedForReset();
  await Promise.all(open.splice(4).map((close) => close()));
  outbox({ url: upgraded.url, ca });
  await until(() => upgraded.letters.length === 1);
  expect(misnamed.letters).toEqual([]);
});

test('several instances send each mail once', async () => {
  const server = await post();
  const asked = await Promise.all(Array.from({ length: 12 }, () => askedForReset()));
  for (let n = 0; n < 3; n++) outbox({ url: server.url });
  await until(async () => (await rows()).length === 0);
  const recipients = server.letters.map((letter) => /^To: (.*)$/m.exec(letter)?.[1]?.trim());
  expect(recipients).toHaveLength(asked.length);
  expect(new Set(recipients)).toEqual(new Set(asked.map(({ email }) => email)));
});

test('what a dead instance had taken is sent when its time is over', async () => {
  const server = await post();
  await askedForReset();
  expect(await takeMails(db, { limit: 5, forMs: 60_000 })).toHaveLength(1);
  const box = outbox({ url: server.url });
  await box.settled();
  expect(server.letters).toEqual([]);
  await db.run({ name: 't_later', text: `update mail_outbox set due_at = due_at - interval '60 s'` });
  box.poke();
  await until(() => server.letters.length === 1);
});

test('a mail server that says nothing does not keep a control plane from stopping', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  await askedForReset();
  const box = outbox({ url: `smtp://127.0.0.1:${(silent.address() as AddressInfo).port}` });
  await once(silent, 'connection');
  const startedMs = performance.now();
  await box.stop();
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  silent.close();
});

test('what is true when it is sent is told: a link that has been used leads nowhere, so it is not sent', async () => {
  const server = await post();
  await askedForReset();
  await db.run({ name: 't_used', text: 'delete from account_tokens' });
  outbox({ url: server.url });
  await until(async () => (await rows()).length === 0);
  expect(server.letters).toEqual([]);
});

test('without a mail server nothing is sent, and in development it is printed', async () => {
  expect(openTransport({ provider: 'disabled' }, quiet)).toBeNull();
  const printed: object[] = [];
  const transport = openTransport({ provider: 'console' }, { info: (fields) => void printed.push(fields) });
  await transport?.send({ id: ids.next(), to: 'a@example.com', subject: 's', text: 't', html: 'h' });
  expect(printed).toEqual([{ to: 'a@example.com', subject: 's', text: 't' }]);
});
