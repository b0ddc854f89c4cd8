import { CreateOrganization, ForAddress, fromPublicId, ResetPassword, VerifyEmail } from '@everruns/contract';
import { addressOf } from '../http/rate-limits.ts';
import type { Api } from '../http/types.ts';
import { checked, refusal, textsOf } from './forms.ts';
import { PAGE, recordChange, requireLogin } from './page.ts';
import type { PageTools } from './page.ts';
import { withQuery } from './return-to.ts';
import {
  askForMailPage,
  invalidLinkPage,
  invitationPage,
  mailSentPage,
  resetPasswordPage,
  verifyEmailPage,
  welcomePage,
} from './views/account.ts';

/** Forgotten passwords, addresses to prove, and where somebody is once they are in. */
export function accountPages(app: Api, tools: PageTools): void {
  mailForms(app, tools);
  resetForm(app, tools);
  verifyForm(app, tools);
  welcomeForms(app, tools);
  invitationForms(app, tools);
}

function mailForms(app: Api, { send, identity, proxyHops }: PageTools): void {
  const forms = [
    { path: '/forgot-password', mail: 'reset', ask: (email: string) => identity.accounts.forgotPassword(email) },
    { path: '/resend-verification', mail: 'verify', ask: (email: string) => identity.accounts.resendVerification(email) },
  ] as const;
  for (const { path, mail, ask } of forms) {
    app.get(path, PAGE, async (_request, reply) => send(reply, askForMailPage(mail)));
    app.post(path, PAGE, async (request, reply) => {
      await identity.limits.ofAddress('register', addressOf(request, proxyHops));
      const texts = textsOf(request.body);
      const { value, wrong } = checked(ForAddress, texts);
      if (value === null) return send(reply, askForMailPage(mail, wrong, texts['email']), { status: 400 });
      await ask(value.email);
      return send(reply, mailSentPage(value.email, mail));
    });
  }
}

function resetForm(app: Api, { send, identity, proxyHops }: PageTools): void {
  app.get('/reset-password', PAGE, async (request, reply) => {
    const { token } = textsOf(request.query);
    return token === undefined ? send(reply, invalidLinkPage('reset'), { status: 400 }) : send(reply, resetPasswordPage(token));
  });
  app.post('/reset-password', PAGE, async (request, reply) => {
    await identity.limits.ofAddress('register', addressOf(request, proxyHops));
    const texts = textsOf(request.body);
    const { value, wrong } = checked(ResetPassword, texts);
    if (value === null) {
      if (wrong['token'] !== undefined) return send(reply, invalidLinkPage('reset'), { status: 400 });
      return send(reply, resetPasswordPage(texts['token'] ?? '', wrong), { status: 400 });
    }
    try {
      const { userId } = await identity.accounts.resetPassword(value);
      await request.recordAudit({ action: 'auth.password.reset', actorUserId: userId, target: { type: 'user', id: userId } });
    } catch (error) {
      const { code, status, message } = refusal(error);
      if (code === 'invalid_account_token') return send(reply, invalidLinkPage('reset'), { status });
      return send(reply, resetPasswordPage(value.token, { form: message }), { status });
    }
    return reply.redirect('/login?done=reset', 303);
  });
}

function verifyForm(app: Api, { send, identity, proxyHops }: PageTools): void {
  app.get('/verify-email', PAGE, async (request, reply) => {
    const { token } = textsOf(request.query);
    return token === undefined ? send(reply, invalidLinkPage('verify'), { status: 400 }) : send(reply, verifyEmailPage(token));
  });
  app.post('/verify-email', PAGE, async (request, reply) => {
    await identity.limits.ofAddress('register', addressOf(request, proxyHops));
    const { value } = checked(VerifyEmail, textsOf(request.body));
    if (value === null) return send(reply, invalidLinkPage('verify'), { status: 400 });
    try {
      const { userId } = await identity.accounts.verifyEmail(value.token);
      await request.recordAudit({ action: 'auth.email.verified', actorUserId: userId, target: { type: 'user', id: userId } });
    } catch (error) {
      return send(reply, invalidLinkPage('verify'), { status: refusal(error).status });
    }
    return reply.redirect('/login?done=verified', 303);
  });
}

function welcomeForms(app: Api, tools: PageTools): void {
  const { send, organizations } = tools;
  app.get('/welcome', PAGE, async (request, reply) => {
    const caller = await requireLogin(tools, request, reply);
    if (caller === null) return reply.redirect(withQuery('/login', { return_to: '/welcome' }), 303);
    return send(reply, welcomePage({ ...(await organizations.me(caller)), home: tools.homePath(true) }));
  });
  app.post('/organizations', PAGE, async (request, reply) => {
    const caller = await requireLogin(tools, request, reply);
    if (caller === null) return reply.redirect(withQuery('/login', { return_to: '/welcome' }), 303);
    const { value, wrong } = checked(CreateOrganization, textsOf(request.body));
    try {
      if (value !== null) {
        const { id } = await organizations.create(caller, value.name);
        await recordChange(request, caller, {
          action: 'createOrganization',
          domain: 'account',
          orgId: fromPublicId('organization', id),
          target: { type: 'organization', id },
        });
      }
    } catch (error) {
      const { message, status } = refusal(error);
      return send(reply, welcomePage({ ...(await organizations.me(caller)), wrong: message }), { status });
    }
    if (value === null) return send(reply, welcomePage({ ...(await organizations.me(caller)), wrong: wrong['name'] }), { status: 400 });
    return reply.redirect(tools.homePath(true), 303);
  });
}

/** Links of invitations lead here. */
function invitationForms(app: Api, tools: PageTools): void {
  const { send, organizations, invitations } = tools;
  app.get<{ Params: { token: string } }>('/invites/:token', PAGE, async (request, reply) => {
    const { token } = request.params;
    const caller = await requireLogin(tools, request, reply);
    if (caller === null) return reply.redirect(withQuery('/login', { return_to: `/invites/${encodeURIComponent(token)}` }), 303);
    return send(reply, invitationPage(token, (await organizations.me(caller)).email));
  });
  app.post<{ Params: { token: string } }>('/invites/:token', PAGE, async (request, reply) => {
    const { token } = request.params;
    const caller = await requireLogin(tools, request, reply);
    if (caller === null) return reply.redirect(withQuery('/login', { return_to: `/invites/${encodeURIComponent(token)}` }), 303);
    try {
      const joined = await invitations.accept(caller.userId, token);
      await recordChange(request, caller, {
        action: 'acceptInvitation',
        domain: 'members',
        orgId: fromPublicId('organization', joined.org_id),
        target: { type: 'organization', id: joined.org_id },
      });
    } catch (error) {
      const { message, status } = refusal(error);
      return send(reply, invitationPage(token, (await organizations.me(caller)).email, message), { status });
    }
    return reply.redirect(tools.homePath(true), 303);
  });
}
