import { html } from '../html.ts';
import type { Html } from '../html.ts';

/** What forms are made of. */

export interface Field {
  name: string;
  label: string;
  type: 'text' | 'email' | 'password';
  autocomplete: string;
  value?: string | undefined;
  hint?: string;
  /** What is wrong with what was entered. */
  wrong?: string | undefined;
  /** Where the cursor is when the page opens. */
  isFirst?: boolean;
  /** Beside the label, such as a link for who has forgotten. */
  aside?: Html;
  maxLength?: number;
  className?: string;
}

export function field(options: Field): Html {
  const { name, label, type, autocomplete, value, wrong, isFirst, aside, maxLength = 320, className } = options;
  // What is wrong says what is expected.
  const hint = wrong === undefined ? options.hint : undefined;
  const about = [hint !== undefined && `${name}-hint`, wrong !== undefined && `${name}-wrong`].filter((id) => id !== false).join(' ');
  const labelled = html`<label for="${name}">${label}</label>`;
  return html`<div class="field">
    ${aside === undefined ? labelled : html`<div class="label-row">${labelled}${aside}</div>`}
    <input
      id="${name}"
      name="${name}"
      type="${type}"
      autocomplete="${autocomplete}"
      maxlength="${maxLength}"
      required
      ${value !== undefined && html`value="${value}"`}
      ${className !== undefined && html`class="${className}"`}
      ${about !== '' && html`aria-describedby="${about}"`}
      ${wrong !== undefined && html`aria-invalid="true"`}
      ${isFirst === true && html`autofocus`}
      ${type !== 'text' || className !== undefined ? html`autocapitalize="off" spellcheck="false"` : null}
    />
    ${wrong !== undefined && html`<p class="wrong" id="${name}-wrong">${wrong}</p>`}
    ${hint !== undefined && html`<p class="hint" id="${name}-hint">${hint}</p>`}
  </div>`;
}

/** Read aloud as soon as it is there. */
export function problem(text: string | null | undefined): Html | null {
  return text == null ? null : html`<div class="notice bad" role="alert"><p>${text}</p></div>`;
}

export function success(text: string | null | undefined): Html | null {
  return text == null ? null : html`<div class="notice good" role="status"><p>${text}</p></div>`;
}

export function hidden(name: string, value: string | null | undefined): Html | null {
  return value == null ? null : html`<input type="hidden" name="${name}" value="${value}" />`;
}
