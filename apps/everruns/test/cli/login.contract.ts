import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@everruns/client';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { compose } from '../conversations/composition.ts';
import type { Composition } from '../conversations/composition.ts';
import { everruns } from './host.ts';
import type { Ran } from './host.ts';

const OPERATOR = { email: 'operator@example.com', password: 'a long password of 2026' };

let composition: Composition;
let home: string;
beforeAll(async () => {
  composition = await compose({
    workers: 0,
    serverEnv: {
      AUTH_MODE: 'admin',
      AUTH_JWT_SECRET: 'j'.repeat(40),
      AUTH_ADMIN_EMAIL: OPERATOR.email,
      AUTH_ADMIN_PASSWORD: OPERATOR.password,
    },
  });
});
afterAll(() => composition.close());
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'everruns-login-'));
  return () => rm(home, { recursive: true });
});

/** The person at the browser: signs in there, reads the code, decides. */
async function decide(url: string, decision: 'approve' | 'deny'): Promise<void> {
  const baseUrl = composition.api.url;
  const { access_token: token } = await createClient({ baseUrl }).api.post('/v1/auth/login', { body: OPERATOR });
  const code = new URL(url).searchParams.get('user_code') ?? '';
  await createClient({ baseUrl, token }).api.post('/v1/auth/device/decision', { body: { user_code: code, decision } });
}

function cli(args: string[], openBrowser?: (url: string) => Promise<void>): Promise<Ran> {
  const env = { HOME: home, EVERRUNS_API_URL: composition.api.url };
  return everruns(args, { env, pause: async () => undefined, ...(openBrowser !== undefined && { openBrowser }) });
}

it('a person signs the command in with a browser, and out again', async () => {
  expect((await cli(['status'])).code).toBe(3);
  const login = await cli(['login'], (url) => decide(url, 'approve'));
  expect([login.code, login.stderr]).toEqual([0, expect.stringContaining(`signed in as ${OPERATOR.email}`)]);
  expect((await cli(['status'])).stdout).toContain(OPERATOR.email);
  expect((await cli(['agents', 'list'])).code).toBe(0);
  await cli(['logout']);
  const after = await cli(['agents', 'list']);
  expect([after.code, after.stderr]).toEqual([3, expect.stringContaining('everruns login')]);
});

it('a person refuses, and the command says so', async () => {
  const { code, stderr } = await cli(['login'], (url) => decide(url, 'deny'));
  expect([code, stderr]).toEqual([4, expect.stringContaining('The login was refused.')]);
  expect((await cli(['status'])).code).toBe(3);
});
