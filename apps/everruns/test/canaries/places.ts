import { createServer as createHttpServer } from 'node:http';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { Database } from '@everruns/storage';

/** Where a secret may have ended up, and how it may look there. */

/** A secret as it is, in hexadecimal and in base64, and the bytes that it spells: bytes in tables and keys in settings are shown so. */
export function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const random = /(?:^|_)([0-9a-f]{32,})$/.exec(secret)?.[1];
  const spelled = /^[\w-]{40,64}$/.test(secret) && random === undefined ? [Buffer.from(secret, 'base64url').toString('hex')] : [];
  return [
    secret,
    bytes.toString('hex'),
    bytes.toString('base64').replace(/=+$/, ''),
    encodeURIComponent(secret),
    ...(random ? [random] : []),
    ...spelled,
  ];
}

/** Which of the secrets stand in a text. */
export function foundIn(text: string, secrets: ReadonlyMap<string, string>): string[] {
  return [...secrets].filter(([, secret]) => formsOf(secret).some((form) => text.includes(form))).map(([name]) => name);
}

/** `table: secret` for every table of which a row holds one of the secrets, in whatever column. */
export async function foundInTables(db: Database, secrets: ReadonlyMap<string, string>): Promise<string[]> {
  const tables = await db.run<{ name: string }>({
    name: 'canary_tables',
    text: `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  });
  const forms = [...secrets].flatMap(([name, secret]) => formsOf(secret).map((form) => ({ name, form })));
  const found: string[] = [];
  for (const { name: table } of tables) {
    const text = `select distinct f.name from ${table} t, jsonb_to_recordset($1::jsonb) as f (name text, form text) where strpos(t::text, f.form) > 0`;
    const rows = await db.run<{ name: string }>({ name: `canary_search_${table}`, text }, [JSON.stringify(forms)]);
    found.push(...rows.map(({ name }) => `${table}: ${name}`));
  }
  return found;
}

/** A way to the worker port on which everything that passes is kept. */
export async function tapOf(port: number): Promise<{ port: number; passed(): string; close(): Promise<void> }> {
  const chunks: Buffer[] = [];
  const server = createServer((socket) => {
    const onward = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      from.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        to.write(chunk);
      });
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    passed: () => Buffer.concat(chunks).toString('latin1'),
    async close() {
      server.close();
    },
  };
}

/** Takes what is told of tasks, fails the first time, and says aloud what it was sent. */
export async function startReceiver(): Promise<{ url: string; signatures: string[]; close(): void }> {
  const signatures: string[] = [];
  const server = createHttpServer((request, response) => {
    signatures.push(String(request.headers['webhook-signature']));
    request.resume();
    response.writeHead(signatures.length === 1 ? 500 : 204).end(signatures.length === 1 ? JSON.stringify(request.headers) : undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, signatures, close };
}
