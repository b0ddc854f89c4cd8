/** HTML in which everything that comes from elsewhere is text. There is no way to put in markup but another template. */

const MARKUP = Symbol('markup');

export interface Html {
  readonly [MARKUP]: string;
}

export type HtmlPart = string | number | Html | null | undefined | false | readonly Html[];

/** Nothing for null, undefined and false, so that parts can be conditions. */
export function html(texts: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  let out = texts[0] as string;
  parts.forEach((part, index) => {
    out += markupOf(part) + texts[index + 1];
  });
  return { [MARKUP]: out };
}

export function textOfHtml(page: Html): string {
  return page[MARKUP];
}

function markupOf(part: HtmlPart): string {
  if (part === null || part === undefined || part === false) return '';
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return isList(part) ? part.map((one) => one[MARKUP]).join('') : part[MARKUP];
}

function isList(part: Html | readonly Html[]): part is readonly Html[] {
  return Array.isArray(part);
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** For text and for attributes in quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] as string);
}
