import { Login, Register } from '@everruns/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clearLoginCookies, REFRESH_COOKIE } from '../http/auth-cookies.ts';
import { addressOf } from '../http/rate-limits.ts';
import { welcome } from '../http/routes/auth.ts';
import type { Api } from '../http/types.ts';
import type { OpenedLogin } from '../identity/login-service.ts';
import { checked, refusal, textsOf } from './forms.ts';
import { safeReturnTo, withQuery } from './return-to.ts';
import { PAGE } from './page.ts';
import type { PageTools } from './page.ts';
import { continuePage, mailSentPage } from './views/account.ts';
import { loginPage, registerPage } from './views/login.ts';
import type { Offers, Wrong } from './views/login.ts';

/** Logging in, signing up, logging out. */
export function loginPages(app: Api, tools: PageTools): void {
  loginForm(app, tools);
  registerForm(app, tools);
  logoutForm(app, tools);
}

/** Why a login through a provider has come back without one. */
const ERRORS: Readonly<Record<string, string>> = {
  oauth_cancelled: 'You have cancelled the login at the provider.',
  oauth_not_permitted:
    'This account cannot be used here. It may be of the wrong organization, or new accounts are made by an administrator.',
  oauth_account_exists:
    'There is an account with this address already. Log in the way you did before; a new password by mail shows that the address is yours.',
  oauth_failed: 'The login through the provider did not work. Try again, or use another way.',
};
const DONE: Readonly<Record<string, string>> = {
  verified: 'Your address is confirmed. You can log in now.',
  reset: 'Your password is changed. Log in with the new one.',
  logged_out: 'You are logged out.',
};

export function offersOf({ identity, providers, apiPrefix }: PageTools, returnTo: string | null): Offers {
  const { auth, mailer } = identity;
  return {
    hasPasswords: auth.hasPasswords,
    canSignUp: auth.signup !== 'closed',
    canRecover: auth.mode === 'full' && auth.hasPasswords && mailer.isEnabled,
    providers: providers.map(({ id, name }) => ({ name, href: withQuery(`${apiPrefix}/v1/auth/oauth/${id}`, { return_to: returnTo }) })),
  };
}

/** To where somebody wanted to go. Paths of the API and of OAuth may lead on to other origins, which a form itself must not. */
function goOn({ send, apiPrefix }: PageTools, reply: FastifyReply, target: string): FastifyReply {
  const leadsOn = target.startsWith('/oauth/') || target.startsWith(`${apiPrefix}/v1/`);
  return leadsOn ? send(reply, continuePage(target)) : reply.redirect(target, 303);
}

/** Where the person goes who has not said where. */
async function enter(tools: PageTools, request: FastifyRequest, reply: FastifyReply, opened: OpenedLogin): Promise<string> {
  const { isHttpsOnly, identity } = tools;
  const { accessSecs, refreshSecs } = identity.auth;
  await welcome(request, reply, { ...opened, cookies: { isHttpsOnly, accessSecs, refreshSecs } });
  return tools.homePath(opened.user.memberships.length > 0);
}

function clientOf(request: FastifyRequest, { proxyHops }: PageTools) {
  return { userAgent: request.headers['user-agent'] ?? null, ip: addressOf(request, proxyHops) };
}

function loginForm(app: Api, tools: PageTools): void {
  const { send, identity, browserLogin, homePath } = tools;
  app.get('/login', PAGE, async (request, reply) => {
    const query = textsOf(request.query);
    const returnTo = safeReturnTo(query['return_to']);
    const wrong: Wrong = { ...(query['error'] !== undefined && { form: ERRORS[query['error']] ?? ERRORS['oauth_failed'] ?? '' }) };
    if (query['error'] === undefined && (await browserLogin(request, reply)) !== null)
      return reply.redirect(returnTo ?? homePath(true), 303);
    return send(reply, loginPage({ offers: offersOf(tools, returnTo), returnTo, wrong, done: DONE[query['done'] ?? ''] ?? null }));
  });
  app.post('/login', PAGE, async (request, reply) => {
    await identity.limits.ofAddress('login', addressOf(request, tools.proxyHops));
    const texts = textsOf(request.body);
    const returnTo = safeReturnTo(texts['return_to']);
    const again = (wrong: Wrong, status: number) => {
      const values = { email: texts['email'] ?? '' };
      return send(reply, loginPage({ offers: offersOf(tools, returnTo), returnTo, values, wrong }), { status });
    };
    const { value, wrong } = checked(Login, texts);
    if (value === null) return again(wrong, 400);
    try {
      const home = await enter(tools, request, reply, await identity.logins.byPassword(value, clientOf(request, tools)));
      return goOn(tools, reply, returnTo ?? home);
    } catch (error) {
      const refused = refusal(error);
      if (refused.code === 'unauthenticated') await request.recordAudit({ action: 'auth.login.failure', actorUserId: null, target: null });
      return again({ form: refused.message }, refused.status);
    }
  });
}

function registerForm(app: Api, tools: PageTools): void {
  const { send, identity, browserLogin, homePath } = tools;
  app.get('/register', PAGE, async (request, reply) => {
    const returnTo = safeReturnTo(textsOf(request.query)['return_to']);
    if (identity.auth.signup === 'closed') return reply.redirect(withQuery('/login', { return_to: returnTo }), 303);
    if ((await browserLogin(request, reply)) !== null) return reply.redirect(returnTo ?? homePath(true), 303);
    return send(reply, registerPage({ offers: offersOf(tools, returnTo), returnTo }));
  });
  app.post('/register', PAGE, async (request, reply) => {
    await identity.limits.ofAddress('register', addressOf(request, tools.proxyHops));
    const texts = textsOf(request.body);
    const returnTo = safeReturnTo(texts['return_to']);
    const again = (wrong: Wrong, status: number) => {
      const values = { email: texts['email'] ?? '', name: texts['name'] ?? '' };
      return send(reply, registerPage({ offers: offersOf(tools, returnTo), returnTo, values, wrong }), { status });
    };
    const { value, wrong } = checked(Register, texts);
    if (value === null) return again(wrong, 400);
    try {
      const userId = await identity.accounts.register(value);
      if (userId === null) return send(reply, mailSentPage(value.email, 'register'));
      await request.recordAudit({ action: 'auth.register.success', actorUserId: userId, target: { type: 'user', id: userId } });
      const home = await enter(tools, request, reply, await identity.logins.open(userId, clientOf(request, tools)));
      return goOn(tools, reply, returnTo ?? home);
    } catch (error) {
      const refused = refusal(error);
      return again(refused.field === 'email' ? { email: refused.message } : { form: refused.message }, refused.status);
    }
  });
}

function logoutForm(app: Api, { identity, isHttpsOnly, browserLogin }: PageTools): void {
  app.post('/logout', PAGE, async (request, reply) => {
    const refreshToken = request.cookies[REFRESH_COOKIE];
    if (refreshToken !== undefined) await identity.logins.end({ refreshToken });
    const { kind, id } = (await browserLogin(request, reply))?.credential ?? {};
    if (kind === 'login' && id != null) await identity.logins.end({ sessionId: id });
    clearLoginCookies(reply, { ...identity.auth, isHttpsOnly });
    return reply.redirect('/login?done=logged_out', 303);
  });
}
