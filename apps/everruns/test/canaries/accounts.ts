import { agree, openBrowser } from '@everruns/server/oauth/testing/browser';
import { authorizeUrl, exchange, refresh, registerClient } from '@everruns/server/oauth/testing/plain-client';
import type { MailSink } from './mail-sink.ts';

/** Everything by which people and programs get in, used once well and once badly. */

export type Json = Record<string, unknown>;

export interface CallOptions {
  headers?: Record<string, string>;
  /** The answer shows secrets, as it should. */
  shows?: true;
}

export interface AccountsDeps {
  /** Without the API prefix. */
  root: string;
  call: (method: string, path: string, body?: unknown, options?: CallOptions) => Promise<Json>;
  /** A secret that came to be: from here on it must be nowhere. */
  keep: (name: string, secret: unknown) => string;
  secretOf: (name: string) => string;
  sink: MailSink;
}

/** Gives headers of requests of the operator, by a token. */
export async function useAccounts(deps: AccountsDeps): Promise<Record<string, string>> {
  const { call, keep, secretOf } = deps;
  const email = 'operator@example.com';
  const shows = true as const;
  const bearer = (token: string): CallOptions => ({ headers: { authorization: `Bearer ${token}` } });
  const password = secretOf('password');
  await call('POST', '/v1/auth/login', { email, password: secretOf('wrong password') });
  await call('POST', '/v1/auth/login', { email, password: [secretOf('wrong password')] });
  const first = await call('POST', '/v1/auth/login', { email, password }, { shows });
  const spent = keep('spent refresh token', first['refresh_token']);
  keep('first access token', first['access_token']);
  const login = await call('POST', '/v1/auth/refresh', { refresh_token: spent }, { shows });
  const access = keep('access token', login['access_token']);
  keep('refresh token', login['refresh_token']);
  await call('POST', '/v1/auth/refresh', { refresh_token: spent });
  await call('GET', '/v1/auth/me', undefined, bearer(`${access.slice(0, -4)}AAAA`));
  const org = 'org_00000000000000000000000000000001';
  await joinByMail(deps, bearer(access), org);
  const token = async (name: string, path: string): Promise<string> =>
    keep(name, (await call('POST', path, { name: 'canary' }, { ...bearer(access), shows }))['key']);
  const personal = await token('personal access token', '/v1/auth/personal-access-tokens');
  const account = await call('POST', '/v1/service-accounts', { name: 'canary' }, bearer(access));
  await token('token of a service account', `/v1/service-accounts/${String(account['id'])}/tokens`);
  await loginByPrograms(deps, access);
  await agreeToAClient(deps, access);
  return { authorization: personal };
}

async function newMail({ sink }: AccountsDeps, before: number): Promise<string> {
  while (sink.mails.length <= before) await new Promise((resolve) => setTimeout(resolve, 25));
  return sink.mails.at(-1) ?? '';
}

/** The secret in the link of a mail. */
function tokenIn(mail: string): string {
  const found = /[?&]token=([\w.~-]+)/.exec(mail)?.[1] ?? /invit\w*\/([\w.~-]{20,})/.exec(mail)?.[1];
  if (found === undefined) throw new Error(`no link in the mail:\n${mail}`);
  return found;
}

/** An invitation, an account by mail, and a new password. */
async function joinByMail(deps: AccountsDeps, operator: CallOptions, org: string): Promise<void> {
  const { call, keep, secretOf, sink } = deps;
  const email = 'guest@example.com';
  const mailed = async (name: string, ask: () => Promise<unknown>): Promise<string> => {
    const before = sink.mails.length;
    await ask();
    return keep(name, tokenIn(await newMail(deps, before)));
  };
  const invitation = await mailed('invitation', () => call('POST', `/v1/orgs/${org}/invites`, { email }, { ...operator, shows: true }));
  const proof = await mailed('proof of an address', () =>
    call('POST', '/v1/auth/register', { email, name: 'Guest', password: secretOf("guest's password") }),
  );
  const verified = await call('POST', '/v1/auth/verify-email', { token: proof }, { shows: true });
  await call('POST', '/v1/auth/verify-email', { token: proof });
  const login =
    verified['access_token'] === undefined
      ? await call('POST', '/v1/auth/login', { email, password: secretOf("guest's password") }, { shows: true })
      : verified;
  const guest = keep("guest's access token", login['access_token']);
  await call('POST', `/v1/invites/${invitation}/accept`, {}, { headers: { authorization: `Bearer ${guest}` } });
  const reset = await mailed('link for a new password', () => call('POST', '/v1/auth/forgot-password', { email }));
  await call('POST', '/v1/auth/reset-password', { token: reset, password: 'short' });
  await call('POST', '/v1/auth/reset-password', { token: reset, password: secretOf("guest's new password") }, { shows: true });
  await call('POST', '/v1/auth/reset-password', { token: reset, password: secretOf("guest's new password") });
}

/** A command line and a device. */
async function loginByPrograms({ root, call, keep }: AccountsDeps, access: string): Promise<void> {
  const cli = await call('POST', '/v1/auth/cli/start', { redirect_port: 1 }, { shows: true });
  const state = keep('state of a command line', cli['state']);
  const back = await openBrowser(root, access).get(`/api/v1/auth/cli/callback?state=${state}`);
  const code = keep('code of a command line', new URL(back.location ?? '', root).searchParams.get('code'));
  const exchanged = await call('POST', '/v1/auth/cli/exchange', { code, hostname: 'h', os: 'o' }, { shows: true });
  keep('token of a command line', (exchanged['personal_access_token'] as Json)['key']);
  await call('POST', '/v1/auth/cli/exchange', { code });
  const device = await call('POST', '/v1/auth/device/code', {}, { shows: true });
  const waits = keep('code of a device', device['device_code']);
  const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: waits };
  const decision = { user_code: device['user_code'], decision: 'approve' };
  await call('POST', '/v1/auth/device/decision', decision, { headers: { authorization: `Bearer ${access}` } });
  const given = await call('POST', '/v1/auth/device/token', grant, { shows: true });
  keep('token of a device', given['access_token'] ?? given['key']);
  await call('POST', '/v1/auth/device/token', grant);
}

/** A client of `/mcp`, with what it must not do. */
async function agreeToAClient({ root, call, keep }: AccountsDeps, access: string): Promise<void> {
  const client = await registerClient(root, 'http://127.0.0.1:4711/callback', { token_endpoint_auth_method: 'client_secret_post' });
  keep('secret of a client', client.secret);
  const done = await agree(openBrowser(root, access), authorizeUrl(root, client));
  const code = keep('code of a client', done.searchParams.get('code'));
  await exchange(root, { ...client, secret: 'wrong' }, code);
  const { json } = await exchange(root, client, code);
  keep('token for /mcp', json.access_token);
  const next = await refresh(root, client, keep('refresh token of a client', json.refresh_token));
  const token = keep('next token for /mcp', next.json.access_token);
  keep('next refresh token of a client', next.json.refresh_token);
  const headers = { authorization: `Bearer ${token}` };
  await call('GET', '/v1/auth/me', undefined, { headers });
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'me', arguments: {} } });
  const accept = 'application/json, text/event-stream';
  const answer = await fetch(`${root}/mcp`, { method: 'POST', headers: { ...headers, accept, 'content-type': 'application/json' }, body });
  if (!answer.ok) throw new Error(`/mcp: ${answer.status} ${await answer.text()}`);
}
