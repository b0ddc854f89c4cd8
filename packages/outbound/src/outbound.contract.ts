import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { readBody } from './body.ts';
import type { Resolve } from './connect.ts';
import { LOOPBACK_RULES, parseEgressAllow } from './egress-allow.ts';
import type { OutboundError } from './errors.ts';
import { createOutbound, type Outbound, type OutboundPolicy } from './outbound.ts';

const servers: Server[] = [];
const outbounds: Outbound[] = [];

afterEach(async () => {
  await Promise.all(outbounds.splice(0).map((outbound) => outbound.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A real server; answers with its port. */
async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

interface Setup extends Partial<OutboundPolicy> {
  allow?: string;
  resolve?: Resolve;
}

function open({ allow = LOOPBACK_RULES, resolve, kind = 'fetch', ...policy }: Setup = {}): typeof fetch {
  const outbound = createOutbound({ allow: parseEgressAllow(allow), ...(resolve !== undefined && { resolve }) });
  outbounds.push(outbound);
  return outbound.fetch({ kind, ...policy });
}

const failureOf = (pending: Promise<unknown>): Promise<unknown> =>
  pending.then(
    () => 'it succeeded',
    (error: unknown) => error,
  );
const refusedWith = (code: OutboundError['code']) => expect.objectContaining({ name: 'OutboundError', code }) as unknown;
const v4 = (address: string) => ({ address, family: 4 });

describe('names', () => {
  it('lead to the addresses that were checked, and are asked for once per connection', async () => {
    const sockets = new Set<unknown>();
    const port = await serve((request, response) => (sockets.add(request.socket), response.end('here')));
    const asked: string[] = [];
    const resolve: Resolve = (host) => (asked.push(host), Promise.resolve([v4('127.0.0.1')]));
    const get = open({ resolve });
    expect(await (await get(`http://site.test:${port}/`)).text()).toBe('here');
    expect(await (await get(`http://site.test:${port}/again`)).text()).toBe('here');
    expect(asked).toEqual([...sockets].map(() => 'site.test'));
  });

  it('that lead into a private network are refused without a connection', async () => {
    let requests = 0;
    const port = await serve((_, response) => (requests++, response.end()));
    const get = open({ allow: 'none', resolve: () => Promise.resolve([v4('127.0.0.1')]) });
    expect(await failureOf(get(`http://site.test:${port}/`))).toEqual(refusedWith('ERR_OUTBOUND_REFUSED'));
    expect(requests).toBe(0);
  });

  it('with public and private addresses lead to the public ones only', async () => {
    let requests = 0;
    const port = await serve((_, response) => (requests++, response.end('ok')));
    // 127.0.0.1 stands for the public one.
    const get = open({ allow: '127.0.0.1', resolve: () => Promise.resolve([v4('127.0.0.2'), v4('127.0.0.1')]) });
    expect(await (await get(`http://site.test:${port}/`)).text()).toBe('ok');
    expect(requests).toBe(1);
  });

  it('that are bound to another address after the first answer stay where they were, or are refused', async () => {
    const port = await serve((_, response) => response.setHeader('connection', 'close').end('first'));
    const answers = ['127.0.0.1', '127.0.0.2'];
    const get = open({ allow: '127.0.0.1', resolve: () => Promise.resolve([v4(answers.shift() ?? '127.0.0.2')]) });
    expect(await (await get(`http://rebind.test:${port}/`)).text()).toBe('first');
    expect(await failureOf(get(`http://rebind.test:${port}/`))).toEqual(refusedWith('ERR_OUTBOUND_REFUSED'));
  });

  it('on the list of exceptions may lead anywhere, for their class', async () => {
    const port = await serve((_, response) => response.end('model'));
    const resolve: Resolve = () => Promise.resolve([v4('127.0.0.1')]);
    const allow = 'provider=ollama.internal';
    expect(await (await open({ allow, resolve, kind: 'provider' })(`http://ollama.internal:${port}/`)).text()).toBe('model');
    expect(await failureOf(open({ allow, resolve })(`http://ollama.internal:${port}/`))).toEqual(refusedWith('ERR_OUTBOUND_REFUSED'));
  });

  it('that do not exist fail as a network does', async () => {
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND nowhere.test'), { code: 'ENOTFOUND' });
    const failure = await failureOf(open({ resolve: () => Promise.reject(error) })('http://nowhere.test/'));
    expect(failure).toMatchObject({ name: 'TypeError', cause: { code: 'ENOTFOUND' } });
  });
});

describe('redirects', () => {
  const redirecting = (location: string, status = 302) =>
    serve((request, response) => {
      if (request.url === '/') response.writeHead(status, { location }).end();
      else response.end(`${request.method} ${request.url}`);
    });

  it('are followed, and the answer tells the last address', async () => {
    const port = await redirecting('/there');
    const response = await open({ redirects: 'follow', maxBytes: 1_000 })(`http://127.0.0.1:${port}/`);
    expect([response.url, await response.text()]).toEqual([`http://127.0.0.1:${port}/there`, 'GET /there']);
  });

  it.each(['http://127.0.0.2:1/', 'http://[::1]:1/', 'http://10.0.0.1/', 'http://169.254.169.254/latest/', 'http://0x7f000002/'])(
    'to %s are refused',
    async (location) => {
      const port = await redirecting(location);
      const get = open({ allow: '127.0.0.1', redirects: 'follow' });
      expect(await failureOf(get(`http://127.0.0.1:${port}/`))).toEqual(refusedWith('ERR_OUTBOUND_REFUSED'));
    },
  );

  it('to a name that leads into a private network are refused', async () => {
    const port = await redirecting('http://inside.test/');
    const get = open({ allow: '127.0.0.1', redirects: 'follow', resolve: () => Promise.resolve([v4('10.0.0.1')]) });
    expect(await failureOf(get(`http://127.0.0.1:${port}/`))).toEqual(refusedWith('ERR_OUTBOUND_REFUSED'));
  });

  it.each(['file:///etc/passwd', 'http://me:pw@127.0.0.1/', 'javascript:alert(1)'])('to %s are refused', async (location) => {
    const port = await redirecting(location);
    expect(await failureOf(open({ redirects: 'follow' })(`http://127.0.0.1:${port}/`))).toEqual(refusedWith('ERR_OUTBOUND_REFUSED'));
  });

  it('to a host that the session may not reach are refused', async () => {
    const port = await redirecting('http://localhost/');
    const get = open({ redirects: 'follow', access: { allowed: ['127.0.0.1'] } });
    const failure = await failureOf(get(`http://127.0.0.1:${port}/`));
    expect(failure).toMatchObject({ message: 'The network access list of this session does not permit "localhost".' });
  });

  it('in a circle end', async () => {
    const port = await redirecting('/');
    const failure = await failureOf(open({ redirects: 'follow' })(`http://127.0.0.1:${port}/`));
    expect(failure).toEqual(refusedWith('ERR_OUTBOUND_REDIRECT'));
  });

  it('are handed to callers that ask for them, and to classes that follow none', async () => {
    const port = await redirecting('/there');
    expect((await open({ kind: 'provider' })(`http://127.0.0.1:${port}/`)).status).toBe(302);
    expect((await open({ redirects: 'follow' })(`http://127.0.0.1:${port}/`, { redirect: 'manual' })).status).toBe(302);
  });

  it('to another site take no secret along', async () => {
    const seen: IncomingMessage['headers'][] = [];
    const target = await serve((request, response) => (seen.push(request.headers), response.end('ok')));
    const port = await redirecting(`http://127.0.0.1:${target}/`);
    const headers = { authorization: 'Bearer canary', 'x-api-key': 'canary', cookie: 'canary', accept: 'text/x' };
    await open({ redirects: 'follow' })(`http://127.0.0.1:${port}/`, { headers });
    expect(seen[0]).toMatchObject({ accept: 'text/x' });
    expect(JSON.stringify(seen)).not.toContain('canary');
    const body = await failureOf(
      open({ redirects: 'follow' })(`http://127.0.0.1:${await redirecting(`http://127.0.0.1:${target}/`, 307)}/`, {
        method: 'POST',
        body: 'canary',
      }),
    );
    expect(body).toEqual(refusedWith('ERR_OUTBOUND_REDIRECT'));
  });

  it('that a class follows within one site only end at its border', async () => {
    const within = await redirecting('/mcp/', 307);
    const get = open({ kind: 'mcp', redirects: 'same-origin' });
    expect(await (await get(`http://127.0.0.1:${within}/`, { method: 'POST', body: '{}' })).text()).toBe('POST /mcp/');
    const beyond = await redirecting(`http://localhost:${within}/`);
    expect(await failureOf(get(`http://127.0.0.1:${beyond}/`))).toEqual(refusedWith('ERR_OUTBOUND_REDIRECT'));
  });
});

describe('limits', () => {
  it.each([
    ['gzip', gzipSync(Buffer.alloc(5_000_000))],
    ['br', brotliCompressSync(Buffer.alloc(5_000_000))],
    ['identity', Buffer.alloc(5_000_000)],
  ])('count the bytes of a %s body after decompression', async (encoding, body) => {
    const port = await serve((_, response) => response.setHeader('content-encoding', encoding).end(body));
    const response = await open({ maxBytes: 1_000_000 })(`http://127.0.0.1:${port}/`);
    expect(await failureOf(response.arrayBuffer())).toEqual(refusedWith('ERR_OUTBOUND_TOO_LARGE'));
    const raw = await open()(`http://127.0.0.1:${port}/`);
    const read = await readBody(raw.body, { maxBytes: 1_000, signal: new AbortController().signal });
    expect([read.bytes.length, read.cut]).toEqual([1_000, 'size']);
  });

  it('end a wait for the first byte, and a body that never ends', async () => {
    const silent = await serve(() => undefined);
    expect(await failureOf(open({ firstByteMs: 30 })(`http://127.0.0.1:${silent}/`))).toEqual(refusedWith('ERR_OUTBOUND_TIMEOUT'));
    const endless = await serve((_, response) => void response.write('begun'));
    const response = await open({ totalMs: 100 })(`http://127.0.0.1:${endless}/`);
    expect(await failureOf(response.text())).toEqual(refusedWith('ERR_OUTBOUND_TIMEOUT'));
  });

  it('keep what came of a body before its time was up or its connection broke', async () => {
    const endless = await serve((_, response) => void response.write('begun'));
    const late = await open()(`http://127.0.0.1:${endless}/`);
    expect(await readBody(late.body, { maxBytes: 1_000, signal: AbortSignal.timeout(50) })).toMatchObject({ cut: 'time' });
    const lying = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('short', () => response.destroy());
    });
    const short = await readBody((await open()(`http://127.0.0.1:${lying}/`)).body, {
      maxBytes: 1_000,
      signal: new AbortController().signal,
    });
    expect([Buffer.from(short.bytes).toString(), short.cut]).toEqual(['short', 'broken']);
  });

  it('leave the abort of a caller as it is', async () => {
    const silent = await serve(() => undefined);
    const abort = new AbortController();
    const pending = failureOf(open()(`http://127.0.0.1:${silent}/`, { signal: abort.signal }));
    const reason = new Error('cancelled by somebody');
    abort.abort(reason);
    expect(await pending).toBe(reason);
  });
});

it('sends what it is given: method, headers, body, also as a Request', async () => {
  const port = await serve((request, response) => {
    let body = '';
    request
      .on('data', (chunk: Buffer) => (body += chunk.toString()))
      .on('end', () => response.end(`${request.method} ${String(request.headers['x-a'])} ${body}`));
  });
  const post = open();
  const init = { method: 'POST', headers: { 'x-a': '1' }, body: 'text' };
  expect(await (await post(`http://127.0.0.1:${port}/`, init)).text()).toBe('POST 1 text');
  expect(await (await post(new Request(`http://127.0.0.1:${port}/`, init))).text()).toBe('POST 1 text');
});

it('does not go through a proxy of the environment', async () => {
  let proxied = 0;
  const proxy = await serve((_, response) => (proxied++, response.end('proxy')));
  const port = await serve((_, response) => response.end('direct'));
  const before = { ...process.env };
  Object.assign(process.env, { HTTP_PROXY: `http://127.0.0.1:${proxy}`, http_proxy: `http://127.0.0.1:${proxy}`, NODE_USE_ENV_PROXY: '1' });
  try {
    expect(await (await open()(`http://127.0.0.1:${port}/`)).text()).toBe('direct');
  } finally {
    process.env = before;
  }
  expect(proxied).toBe(0);
});
