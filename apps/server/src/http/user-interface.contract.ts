import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testApp } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

const PAGE = { headers: { accept: 'text/html,application/xhtml+xml' } };

let folder: string;
let directory: string;
let app: TestApp;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'everruns-ui-'));
  directory = join(folder, 'built');
  await mkdir(join(directory, 'assets'), { recursive: true });
  await writeFile(join(folder, 'secret.txt'), 'not for anybody');
  app = await testApp({ uiDirectory: directory });
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true });
});

describe('while the pages are being built', () => {
  it('nothing else is different', async () => {
    const answer = await fetch(`${app.url}/`, PAGE);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, expect.stringContaining('application/problem+json')]);
    expect((await app.call('GET', '/v1/agents')).status).toBe(200);
  });
});

describe('once they are built', () => {
  beforeAll(async () => {
    await writeFile(join(directory, 'index.html'), '<!doctype html><title>Everruns</title>');
    await writeFile(join(directory, 'theme.js'), 'x');
    await writeFile(join(directory, 'assets', 'index-abc.js'), 'x');
  });

  it.each(['/', '/sessions', '/agents/shop-helper', '/settings/providers?x=1'])(
    '%s is the document, with a policy of its own',
    async (path) => {
      const answer = await fetch(`${app.url}${path}`, PAGE);
      expect([answer.status, await answer.text()]).toEqual([200, '<!doctype html><title>Everruns</title>']);
      expect(answer.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self';.*frame-ancestors 'none'/);
      expect(answer.headers.get('cache-control')).toBe('no-cache');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    },
  );

  it('what has its content in its name is kept by browsers, and nothing else is', async () => {
    const lasting = await fetch(`${app.url}/assets/index-abc.js`);
    expect([lasting.status, lasting.headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
    expect(lasting.headers.get('content-type')).toMatch(/javascript/);
    expect((await fetch(`${app.url}/theme.js`)).headers.get('cache-control')).toBe('no-cache');
  });

  it.each([
    '/api/v1/nothing',
    '/v1/nothing',
    '/api/nothing',
    '/mcp/nothing',
    '/oauth/nothing',
    '/.well-known/nothing',
    '/assets/missing.js',
  ])('%s is no page', async (path) => {
    const answer = await fetch(`${app.url}${path}`, path.startsWith('/assets') ? {} : PAGE);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, expect.stringContaining('problem+json')]);
  });

  it.each(['/../secret.txt', '/%2e%2e/secret.txt', '/assets/..%2f..%2fsecret.txt', '/assets/%2e%2e/%2e%2e/secret.txt', '//secret.txt'])(
    '%s leads nowhere',
    async (path) => {
      const { request } = await import('node:http');
      const text = await new Promise<string>((resolve, reject) => {
        const { port } = new URL(app.url);
        request({ host: '127.0.0.1', port, path }, (answer) => {
          let body = '';
          answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
          answer.on('end', () => resolve(`${answer.statusCode} ${body}`));
        })
          .on('error', reject)
          .end();
      });
      expect(text).not.toContain('not for anybody');
      expect(text).toMatch(/^4\d\d /);
    },
  );

  it('programs that ask for no page get a problem', async () => {
    const answer = await fetch(`${app.url}/sessions`, { headers: { accept: 'application/json' } });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, expect.stringContaining('problem+json')]);
    expect((await fetch(`${app.url}/sessions`, { method: 'POST', ...PAGE })).status).toBe(404);
  });
});
