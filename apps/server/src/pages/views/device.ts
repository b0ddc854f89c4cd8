import { html } from '../html.ts';
import type { Page } from '../layout.ts';
import { field, hidden, problem } from './parts.ts';

/** Letting a device or the command line in. */

export function deviceCodePage(userCode: string | null, wrong?: string): Page {
  return {
    title: 'Connect a device',
    body: html`<h1>Connect a device</h1>
      <p class="lead">Enter the code that it shows.</p>
      ${problem(wrong)}
      <form method="post" action="/device">
        ${field({
          name: 'user_code',
          label: 'Code',
          type: 'text',
          autocomplete: 'off',
          value: userCode ?? undefined,
          isFirst: true,
          maxLength: 20,
          className: 'code',
        })}
        <button type="submit">Continue</button>
      </form>`,
  };
}

export interface DeviceAsking {
  userCode: string;
  hostname: string | null;
  os: string | null;
  ip: string | null;
}

export function deviceDecisionPage({ userCode, hostname, os, ip }: DeviceAsking, email: string): Page {
  const facts: [string, string | null][] = [
    ['Device', hostname],
    ['System', os],
    ['IP address', ip],
    ['Account', email],
  ];
  return {
    title: 'Connect a device',
    body: html`<h1>Let this device in?</h1>
      <p class="lead">It will be able to do everything that you can do, until you revoke its token.</p>
      <p class="code code-shown">${userCode}</p>
      <dl>
        ${facts.map(([term, value]) =>
          value === null
            ? html``
            : html`<div>
                <dt>${term}</dt>
                <dd>${value}</dd>
              </div>`,
        )}
      </dl>
      <p>Go on only if you have started this yourself and the device shows this very code.</p>
      <form class="pair" method="post" action="/device/decision">
        ${hidden('user_code', userCode)}
        <button type="submit" name="decision" value="approve">Let it in</button>
        <button class="quiet" type="submit" name="decision" value="deny">Refuse</button>
      </form>`,
  };
}

export function deviceDonePage(isApproved: boolean): Page {
  return {
    title: isApproved ? 'Device connected' : 'Device refused',
    body: isApproved
      ? html`<h1>Device connected</h1>
          <p>It has a token of yours now. You can close this page and go on there.</p>`
      : html`<h1>Device refused</h1>
          <p>It gets nothing. You can close this page.</p>`,
  };
}

export function cliLoginPage(): Page {
  return {
    title: 'Logged in',
    body: html`<h1>You are logged in</h1>
      <p>The command line goes on from here. You can close this page and return to your terminal.</p>`,
  };
}

/** Another site has brought somebody here, so it may not have been their wish. */
export function cliConfirmPage(target: string): Page {
  return {
    title: 'Let the command line in',
    body: html`<h1>Let the command line in?</h1>
      <p class="lead">A command line on this computer waits for a token of yours.</p>
      <p>Go on only if you have started this yourself.</p>
      <a class="button" href="${target}">Continue</a>`,
  };
}
