import { html } from '../html.ts';
import type { Page } from '../layout.ts';
import { field, hidden, problem } from './parts.ts';
import { PASSWORD_HINT } from './login.ts';
import type { Wrong } from './login.ts';

/** Forgotten passwords, addresses to prove, and where somebody is once they are in. */

const BACK = html`<p class="after"><a href="/login">Back to log in</a></p>`;

/** `mail`: what is to be sent. */
export function askForMailPage(mail: 'reset' | 'verify', wrong: Wrong = {}, email?: string): Page {
  const isReset = mail === 'reset';
  return {
    title: isReset ? 'Forgot password' : 'Confirm your address',
    body: html`<h1>${isReset ? 'Forgot your password?' : 'Confirm your address'}</h1>
      <p class="lead">
        ${isReset ? 'We send you a link to choose a new one.' : 'We send you a new link. The one before stops working with it.'}
      </p>
      ${problem(wrong.form)}
      <form method="post" action="${isReset ? '/forgot-password' : '/resend-verification'}">
        ${field({
          name: 'email',
          label: 'Email',
          type: 'email',
          autocomplete: 'username',
          value: email,
          wrong: wrong.email,
          isFirst: true,
        })}
        <button type="submit">Send the link</button>
      </form>
      ${BACK}`,
  };
}

/** The same whether or not there is such an account. */
export function mailSentPage(email: string, mail: 'reset' | 'verify' | 'register'): Page {
  const text = {
    reset: html`<p>
      If there is an account for <strong>${email}</strong>, a link to choose a new password is on its way. It is good for one hour.
    </p>`,
    verify: html`<p>If <strong>${email}</strong> waits to be confirmed, a new link is on its way. It is good for a day.</p>`,
    register: html`<p>
      We have sent a link to <strong>${email}</strong>. Open it to confirm the address, and your account is ready. It is good for a day.
    </p>`,
  }[mail];
  return {
    title: 'Check your mail',
    body: html`<h1>Check your mail</h1>
      ${text}
      <p>
        Nothing there after a few minutes? Look into the spam folder, or
        <a href="${mail === 'reset' ? '/forgot-password' : '/resend-verification'}">ask for another one</a>.
      </p>
      ${BACK}`,
  };
}

export function resetPasswordPage(token: string, wrong: Wrong = {}): Page {
  return {
    title: 'Choose a new password',
    body: html`<h1>Choose a new password</h1>
      <p class="lead">You are logged out everywhere when it changes.</p>
      ${problem(wrong.form)}
      <form method="post" action="/reset-password">
        ${hidden('token', token)}
        ${field({
          name: 'password',
          label: 'New password',
          type: 'password',
          autocomplete: 'new-password',
          hint: PASSWORD_HINT,
          wrong: wrong.password,
          isFirst: true,
          maxLength: 256,
        })}
        <button type="submit">Save password</button>
      </form>`,
  };
}

/** A button, because programs that look through mails open links too. */
export function verifyEmailPage(token: string): Page {
  return {
    title: 'Confirm your address',
    body: html`<h1>Confirm your address</h1>
      <p class="lead">One click, and your account is ready.</p>
      <form method="post" action="/verify-email">
        ${hidden('token', token)}
        <button type="submit" autofocus>Confirm address</button>
      </form>`,
  };
}

export function invalidLinkPage(mail: 'reset' | 'verify'): Page {
  const next = mail === 'reset' ? '/forgot-password' : '/resend-verification';
  return {
    title: 'This link cannot be used',
    body: html`<h1>This link cannot be used</h1>
      <p>It has been used already, or it has run out. A new one takes a moment.</p>
      <a class="button" href="${next}">Send me a new link</a>
      ${BACK}`,
  };
}

export interface WelcomeState {
  name: string;
  email: string;
  organizations: readonly { name: string; role: string }[];
  /** Where everything is. */
  home?: string;
  /** What is wrong with the name of a new organization. */
  wrong?: string | undefined;
}

export function welcomePage({ name, email, organizations, home, wrong }: WelcomeState): Page {
  const hint = html`<p>
      You do not belong to an organization yet, and everything in Everruns lives in one. Ask a colleague for an invitation to
      <strong>${email}</strong>, or start your own:
    </p>
    <form method="post" action="/organizations">
      ${field({ name: 'name', label: 'Name of the organization', wrong, type: 'text', autocomplete: 'organization', isFirst: true, maxLength: 200 })}
      <button type="submit">Create organization</button>
    </form>`;
  const list = html`<dl>
    ${organizations.map(
      (one) =>
        html`<div>
          <dt>${one.name}</dt>
          <dd>${one.role}</dd>
        </div>`,
    )}
  </dl>`;
  return {
    title: 'Logged in',
    body: html`<h1>Hello, ${name}</h1>
      <p class="lead">You are logged in as ${email}.</p>
      ${organizations.length === 0 ? hint : list}
      ${organizations.length > 0 && home === '/' && html`<a class="button" href="/">Open Everruns</a>`}
      <form class="after" method="post" action="/logout"><button class="quiet" type="submit">Log out</button></form>`,
  };
}

/** Forms cannot lead to other origins by a redirect, so somebody who is sent there passes this page. */
export function continuePage(target: string): Page {
  return {
    title: 'Logged in',
    continueTo: target,
    body: html`<h1>You are logged in</h1>
      <p class="lead">This goes on by itself.</p>
      <a class="button" href="${target}">Continue</a>`,
  };
}

export function messagePage(title: string, text: string): Page {
  return {
    title,
    body: html`<h1>${title}</h1>
      <p>${text}</p>
      ${BACK}`,
  };
}

export function invitationPage(token: string, email: string, wrong?: string): Page {
  return {
    title: 'You are invited',
    body: html`<h1>You are invited</h1>
      <p class="lead">Somebody has asked you to join their organization.</p>
      ${problem(wrong)}
      <form method="post" action="/invites/${token}">
        <button type="submit">Join as ${email}</button>
      </form>
      <p class="after">Is the invitation for another address? Log out and come back with that account.</p>`,
  };
}
