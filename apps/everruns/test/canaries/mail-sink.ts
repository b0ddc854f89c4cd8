import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A mail server that takes everything from whoever names any password, and keeps what it gets. */
export interface MailSink {
  port: number;
  /** Decoded, newest last. */
  mails: string[];
  close(): void;
}

export async function startMailSink(): Promise<MailSink> {
  const mails: string[] = [];
  const server = createServer((socket) => speak(socket, mails));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, mails, close: () => void server.close() };
}

const END = '\r\n.\r\n';

function speak(socket: Socket, mails: string[]): void {
  let heard = '';
  let isLetter = false;
  socket.on('error', () => undefined);
  socket.write('220 sink\r\n');
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
    for (;;) {
      const end = isLetter ? heard.indexOf(END) : heard.indexOf('\r\n');
      if (end < 0) return;
      const said = heard.slice(0, end);
      heard = heard.slice(end + (isLetter ? END.length : 2));
      if (isLetter) mails.push(decoded(said));
      isLetter = !isLetter && said.toUpperCase() === 'DATA';
      socket.write(answerTo(said, isLetter));
    }
  });
}

function answerTo(said: string, isLetter: boolean): string {
  if (isLetter) return '354 go on\r\n';
  if (/^EHLO/i.test(said)) return '250-sink\r\n250 AUTH PLAIN LOGIN\r\n';
  return /^AUTH/i.test(said) ? '235 come in\r\n' : '250 fine\r\n';
}

/** Quoted-printable, as far as links need it. */
function decoded(mail: string): string {
  return mail.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
