import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { FastifyReply } from 'fastify';
import { html, textOfHtml } from './html.ts';
import type { Html } from './html.ts';

/** What all pages for people have in common. They need no script and have none. */

export interface Page {
  title: string;
  body: Html;
  /** Goes on by itself, after the page has been seen: a path on our own origin. */
  continueTo?: string;
}

export interface PageOptions {
  status?: number;
  /** Where forms of the page may lead besides our own origin, also by a redirect: origins, or schemes such as `myapp:`. */
  formTargets?: readonly string[];
}

export interface Stylesheet {
  path: string;
  text: string;
}

/** Its address changes with it, so browsers can keep it for ever. */
export function loadStylesheet(): Stylesheet {
  const text = readFileSync(new URL('style.css', import.meta.url), 'utf8');
  return { path: `/pages/style-${createHash('sha256').update(text).digest('hex').slice(0, 16)}.css`, text };
}

export type SendPage = (reply: FastifyReply, page: Page, options?: PageOptions) => FastifyReply;

export function createSendPage(stylesheet: Pick<Stylesheet, 'path'>): SendPage {
  return (reply, page, { status = 200, formTargets = [] } = {}) =>
    reply
      .code(status)
      .header('cache-control', 'no-store')
      .header('content-security-policy', contentPolicy(formTargets))
      // Addresses of pages may hold tokens, and a form's request has to name its origin.
      .header('referrer-policy', 'same-origin')
      .type('text/html; charset=utf-8')
      .send(textOfHtml(documentOf(page, stylesheet.path)));
}

/** Nothing runs, nothing is loaded but the stylesheet, nothing is shown in a frame. */
export function contentPolicy(formTargets: readonly string[]): string {
  const targets = ["'self'", ...formTargets].join(' ');
  return `default-src 'none'; style-src 'self'; form-action ${targets}; frame-ancestors 'none'; base-uri 'none'`;
}

const MARK = html`<svg viewBox="5 5 22 22" aria-hidden="true" focusable="false">
  <path
    d="M9 16a7 7 0 0 1 12.5-4.3M23 16a7 7 0 0 1-12.5 4.3M22.5 7.5v4.6h-4.6M9.5 24.5v-4.6h4.6"
    fill="none"
    stroke="currentColor"
    stroke-width="2.6"
    stroke-linecap="round"
    stroke-linejoin="round"
  />
</svg>`;

function documentOf({ title, body, continueTo }: Page, stylesheetPath: string): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        ${continueTo !== undefined && html`<meta http-equiv="refresh" content="0; url=${continueTo}" />`}
        <title>${title} · Everruns</title>
        <link rel="stylesheet" href="${stylesheetPath}" />
      </head>
      <body>
        <header class="brand">${MARK}<span>Everruns</span></header>
        <main>${body}</main>
      </body>
    </html>`;
}
