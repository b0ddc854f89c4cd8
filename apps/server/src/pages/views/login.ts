import { PASSWORD_LENGTH } from '@everruns/contract';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { withQuery } from '../return-to.ts';
import { field, hidden, problem, success } from './parts.ts';

/** What is wrong, by field; under `form` what is wrong with no single one. */
export type Wrong = Readonly<Partial<Record<'email' | 'password' | 'name' | 'form', string>>>;

/** What people can do here without being logged in. */
export interface Offers {
  hasPasswords: boolean;
  canSignUp: boolean;
  canRecover: boolean;
  providers: readonly { name: string; href: string }[];
}

export interface EntryState {
  offers: Offers;
  returnTo: string | null;
  values?: Readonly<Record<string, string>>;
  wrong?: Wrong;
  /** Something that has just gone well. */
  done?: string | null;
}

const NO_WAY = 'No way to log in is set up here. Ask whoever runs this installation.';

export const PASSWORD_HINT = `${PASSWORD_LENGTH.min} to ${PASSWORD_LENGTH.max} characters, at least one of them a digit.`;

export function loginPage({ offers, returnTo, values = {}, wrong = {}, done }: EntryState): Page {
  const { hasPasswords, canSignUp, canRecover } = offers;
  const forgotten = canRecover ? html`<a href="/forgot-password">Forgot password?</a>` : undefined;
  const form = html`<form method="post" action="/login">
    ${hidden('return_to', returnTo)}
    ${field({
      name: 'email',
      label: 'Email',
      type: 'email',
      autocomplete: 'username',
      value: values['email'],
      wrong: wrong.email,
      isFirst: values['email'] === undefined,
    })}
    ${field({
      name: 'password',
      label: 'Password',
      type: 'password',
      autocomplete: 'current-password',
      maxLength: 1_024,
      wrong: wrong.password,
      isFirst: values['email'] !== undefined,
      ...(forgotten !== undefined && { aside: forgotten }),
    })}
    <button type="submit">Log in</button>
  </form>`;
  return {
    title: 'Log in',
    body: html`<h1>Log in</h1>
      <p class="lead">to your Everruns workspace</p>
      ${success(done)} ${problem(wrong.form ?? (hasPasswords || offers.providers.length > 0 ? null : NO_WAY))}
      ${providerLinks(offers, 'Continue with')} ${hasPasswords && divider(offers)} ${hasPasswords && form}
      ${
        canSignUp && html`<p class="after">New here? <a href="${withQuery('/register', { return_to: returnTo })}">Create an account</a></p>`
      }`,
  };
}

export function registerPage({ offers, returnTo, values = {}, wrong = {} }: EntryState): Page {
  return {
    title: 'Create an account',
    body: html`<h1>Create your account</h1>
      <p class="lead">to run agents that finish what they start</p>
      ${problem(wrong.form)} ${providerLinks(offers, 'Continue with')} ${divider(offers)}
      <form method="post" action="/register">
        ${hidden('return_to', returnTo)}
        ${field({
          name: 'name',
          label: 'Your name',
          type: 'text',
          autocomplete: 'name',
          value: values['name'],
          wrong: wrong.name,
          isFirst: true,
          maxLength: 200,
        })}
        ${field({ name: 'email', label: 'Email', type: 'email', autocomplete: 'username', value: values['email'], wrong: wrong.email })}
        ${field({
          name: 'password',
          label: 'Password',
          type: 'password',
          autocomplete: 'new-password',
          hint: PASSWORD_HINT,
          wrong: wrong.password,
          maxLength: 256,
        })}
        <button type="submit">Create account</button>
      </form>
      <p class="after">Have an account? <a href="${withQuery('/login', { return_to: returnTo })}">Log in</a></p>`,
  };
}

function providerLinks({ providers }: Offers, words: string): Html {
  return html`${providers.map(({ name, href }) => html`<a class="button quiet" href="${href}">${words} ${name}</a>`)}`;
}

function divider({ providers }: Offers): Html | null {
  return providers.length === 0 ? null : html`<div class="or">or with your email</div>`;
}
