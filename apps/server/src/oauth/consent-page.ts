import { html } from '../pages/html.ts';
import type { Page } from '../pages/layout.ts';
import { hidden } from '../pages/views/parts.ts';

/** What a user is asked before a client may act for them. Everything about the client is what it says of itself. */
export interface ConsentQuestion {
  clientName: string;
  clientId: string;
  /** Where the browser goes afterwards. */
  redirectHost: string;
  user: { name: string; email: string };
  /** Where the form goes, and what proves that it is this one. */
  action: string;
  formToken: string;
}

export function consentPage({ clientName, clientId, redirectHost, user, action, formToken }: ConsentQuestion): Page {
  return {
    title: 'Let an application in',
    body: html`<h1>Let ${clientName} in?</h1>
      <p class="lead">This application asks to act for you. Its name is what it says of itself: only let in what you have started.</p>
      <dl>
        <div>
          <dt>Application</dt>
          <dd>${clientName}</dd>
        </div>
        <div>
          <dt>Its id</dt>
          <dd>${clientId}</dd>
        </div>
        <div>
          <dt>You go on to</dt>
          <dd>${redirectHost}</dd>
        </div>
        <div>
          <dt>You are</dt>
          <dd>${user.name}, ${user.email}</dd>
        </div>
      </dl>
      <p>It will be able to do through the MCP endpoint what you can do, in every organization that you are a member of:</p>
      <ul>
        <li>run agents, send them messages and read their answers</li>
        <li>see, change and delete what your role allows</li>
      </ul>
      <p>It cannot see your password, make tokens, or change your account. You can end this at any time.</p>
      <form class="pair" method="post" action="${action}">
        ${hidden('form_token', formToken)}
        <button type="submit" name="decision" value="approve">Let it in</button>
        <button class="quiet" type="submit" name="decision" value="cancel">Cancel</button>
      </form>`,
  };
}

export function oauthErrorPage(description: string): Page {
  return {
    title: 'This did not work',
    body: html`<h1>This did not work</h1>
      <p>${description}</p>
      <p>Go back to the application that sent you here, and start again.</p>`,
  };
}
