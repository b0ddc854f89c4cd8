import formbody from '@fastify/formbody';
import {
  CliExchange,
  CliLogin,
  DecideDeviceLogin,
  DeviceCodeQuery,
  DeviceLogin,
  DeviceLoginError,
  DeviceToken,
  ExchangeCliCode,
  PlatformError,
  PollDeviceLogin,
  StartCliLogin,
  StartDeviceLogin,
  WaitingDevice,
} from '@everruns/contract';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Identity } from '../../identity/identity.ts';
import type { DevicePoll, ProgramLogins } from '../../identity/program-logins.ts';
import { shownCode } from '../../identity/program-logins.ts';
import { requireWholeAccount } from '../../identity/token-rules.ts';
import type { SendPage } from '../../pages/layout.ts';
import { withQuery } from '../../pages/return-to.ts';
import { cliConfirmPage } from '../../pages/views/device.ts';
import { present } from '../../services/present/fields.ts';
import type { BrowserLogin } from '../browser-login.ts';
import { addressOf } from '../rate-limits.ts';
import type { Api } from '../types.ts';
import { NoContent } from './params.ts';

export interface ProgramLoginRouteDeps {
  identity: Identity;
  programs: ProgramLogins;
  browserLogin: BrowserLogin;
  apiPrefix: string;
  publicUrl: () => string;
  proxyHops: number;
  sendPage: SendPage;
}

const tags = ['Auth'];
/** Nobody is known yet when these are called; each tells of itself what it has done. */
const config = { open: true, audit: 'nothing' } as const;
const CLI_LOGIN_SECS = 300;
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** How the command line and devices get a token from somebody who is logged in with a browser. */
export async function programLoginRoutes(app: Api, deps: ProgramLoginRouteDeps): Promise<void> {
  cliRoutes(app, deps);
  await app.register(async (scoped: Api) => {
    // OAuth sends forms; JSON is taken as well.
    await scoped.register(formbody, { bodyLimit: 16_384 });
    deviceRoutes(scoped, deps);
  });
}

function limiterOf({ identity, proxyHops }: ProgramLoginRouteDeps, action: 'login' | 'register') {
  return async (request: FastifyRequest) => identity.limits.ofAddress(action, addressOf(request, proxyHops));
}

function cliRoutes(app: Api, deps: ProgramLoginRouteDeps): void {
  const { identity, programs, browserLogin, apiPrefix, proxyHops } = deps;
  const callback = `${apiPrefix}/v1/auth/cli/callback`;
  const loginUrl = (state: string): string =>
    `${identity.frontendUrl()}${withQuery('/login', { return_to: withQuery(callback, { state }) })}`;
  app.post(
    '/v1/auth/cli/start',
    {
      schema: { tags, operationId: 'startCliLogin', body: StartCliLogin, response: { 200: CliLogin } },
      config,
      preHandler: limiterOf(deps, 'login'),
    },
    async (request) => {
      const { state } = await programs.startCli(request.body.redirect_port, addressOf(request, proxyHops));
      // Where nobody logs in there is nothing to pass through.
      const url = identity.auth.mode === 'none' ? `${deps.publicUrl()}${withQuery(callback, { state })}` : loginUrl(state);
      return { auth_url: url, state, expires_in: CLI_LOGIN_SECS };
    },
  );
  app.get(
    '/v1/auth/cli/callback',
    {
      schema: {
        tags,
        operationId: 'finishCliLogin',
        description: 'Where the browser comes back to: it is sent on to the command line with a code, or to log in first.',
        querystring: z.object({ state: z.string().min(1).max(256) }),
        response: { 302: NoContent },
      },
      config,
    },
    async (request, reply) => {
      const { state } = request.query;
      reply.header('referrer-policy', 'no-referrer');
      const caller = await browserLogin(request, reply);
      if (caller === null) return reply.redirect(loginUrl(state));
      // A page elsewhere could send its visitors here. Providers of logins do too, so it takes one more click.
      if (isFromElsewhere(request)) return deps.sendPage(reply, cliConfirmPage(withQuery(callback, { state })));
      return reply.redirect(await programs.bindCli(caller, state));
    },
  );
  app.post(
    '/v1/auth/cli/exchange',
    {
      schema: { tags, operationId: 'exchangeCliCode', body: ExchangeCliCode, response: { 200: CliExchange } },
      config,
      preHandler: limiterOf(deps, 'login'),
    },
    async (request) => {
      const { code, hostname, os } = request.body;
      const exchanged = await programs.exchangeCli(code, { hostname, os }, addressOf(request, proxyHops));
      await recordToken(request, exchanged);
      return exchanged;
    },
  );
}

function isFromElsewhere({ headers }: FastifyRequest): boolean {
  return headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site';
}

async function recordToken(request: FastifyRequest, { user, personal_access_token: token }: CliExchange): Promise<void> {
  await request.recordAudit({
    action: 'auth.personal_access_token.created',
    actorUserId: user.id,
    target: { type: 'personal_access_token', id: token.id },
    metadata: { source: 'cli_login' },
  });
}

const WORDS: Readonly<Record<Extract<DevicePoll, string>, [z.infer<typeof DeviceLoginError>['error'], string]>> = {
  pending: ['authorization_pending', 'Nobody has entered the code yet.'],
  slow_down: ['slow_down', 'Wait five seconds more than before between two questions.'],
  denied: ['access_denied', 'The device has been refused.'],
  expired: ['expired_token', 'The time of the code is over. Start again.'],
  unknown: ['invalid_grant', 'There is no such device code, or its token has been given.'],
  limit: ['access_denied', 'The user has as many tokens as there can be.'],
};

function deviceRoutes(app: Api, deps: ProgramLoginRouteDeps): void {
  const { identity, programs, proxyHops } = deps;
  app.post(
    '/v1/auth/device/code',
    {
      schema: {
        tags,
        operationId: 'startDeviceLogin',
        description: 'Device authorization (RFC 8628), as a form or as JSON. The token is a personal access token.',
        body: StartDeviceLogin,
        response: { 200: DeviceLogin },
      },
      config,
      preHandler: limiterOf(deps, 'register'),
    },
    async (request) => {
      const { hostname, os } = request.body;
      const started = await programs.startDevice({ hostname, os }, addressOf(request, proxyHops));
      const url = `${identity.frontendUrl()}/device`;
      return {
        device_code: started.deviceCode,
        user_code: started.userCode,
        verification_uri: url,
        verification_uri_complete: withQuery(url, { user_code: started.userCode }),
        expires_in: started.lifetimeSecs,
        interval: started.intervalSecs,
      };
    },
  );
  app.post(
    '/v1/auth/device/token',
    {
      schema: {
        tags,
        operationId: 'pollDeviceLogin',
        body: PollDeviceLogin,
        response: { 200: DeviceToken, 400: DeviceLoginError },
      },
      config,
    },
    async (request, reply) => {
      const { grant_type, device_code } = request.body;
      if (grant_type !== DEVICE_GRANT) {
        return reply.code(400).send({ error: 'unsupported_grant_type', error_description: `Expected ${DEVICE_GRANT}.` });
      }
      const answer = await programs.pollDevice(device_code);
      if (typeof answer === 'string') {
        const [error, error_description] = WORDS[answer];
        return reply.code(400).send({ error, error_description });
      }
      await recordToken(request, answer);
      const { key, expires_at, created_at } = answer.personal_access_token;
      const expires_in = Math.round((Date.parse(expires_at ?? created_at) - Date.parse(created_at)) / 1_000);
      return { ...answer, access_token: key, token_type: 'Bearer' as const, expires_in };
    },
  );
}

/** For pages of another origin, which show who asks and let people decide. */
export function deviceDecisionRoutes(app: Api, deps: ProgramLoginRouteDeps): void {
  const preHandler = limiterOf(deps, 'login');
  const preValidation = async ({ caller }: FastifyRequest) => requireWholeAccount(caller);
  const { programs } = deps;
  const missing = (): PlatformError => new PlatformError('not_found', 'No device waits with this code.', { field: 'user_code' });
  app.get(
    '/v1/auth/device',
    {
      schema: { tags, operationId: 'getWaitingDevice', querystring: DeviceCodeQuery, response: { 200: WaitingDevice } },
      preValidation,
      preHandler,
    },
    async ({ query }) => {
      const device = await programs.findDevice(query.user_code);
      if (device === null) throw missing();
      const { hostname, os, ip } = device;
      return present({ user_code: shownCode(device.user_code), hostname, os, ip });
    },
  );
  app.post(
    '/v1/auth/device/decision',
    {
      schema: { tags, operationId: 'decideDeviceLogin', body: DecideDeviceLogin, response: { 204: NoContent } },
      preValidation,
      preHandler,
    },
    async ({ caller, body }, reply) => {
      if ((await programs.decideDevice(caller, body.user_code, body.decision === 'approve')) === null) throw missing();
      return reply.code(204).send();
    },
  );
}
