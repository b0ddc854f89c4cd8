import type { Focus } from '../spec.ts';
import { parseDocument, type DomElement } from './dom.ts';
import type { Page } from './page.ts';

const AROUND = [
  'nav',
  'header',
  'footer',
  'aside',
  '[role="navigation"]',
  '[role="banner"]',
  '[role="contentinfo"]',
  '[role="complementary"]',
  '[role="search"]',
  'dialog',
].join(', ');
const NOT_FOR_AGENTS = 'img, picture, video, audio, figure > :not(figcaption), form, button, input, select, textarea';
/** A main part with less text than this share of the page is not where the content is. */
const MIN_SHARE = 0.1;

/** The part of a page that is asked for. */
export async function focusOn(page: Page, focus: Focus): Promise<DomElement> {
  const whole = page.document.body ?? page.document.documentElement;
  switch (focus) {
    case 'full':
      return whole;
    case 'main':
      return mainOf(whole);
    case 'readable':
      return (await articleOf(page)) ?? mainOf(whole);
    case 'agent': {
      const main = mainOf(whole);
      for (const element of main.querySelectorAll(NOT_FOR_AGENTS)) element.remove();
      return main;
    }
  }
}

function mainOf(whole: DomElement): DomElement {
  const candidates = [...whole.querySelectorAll('main, [role="main"], article')];
  const length = (element: DomElement) => (element.textContent ?? '').trim().length;
  const best = candidates.reduce<DomElement | null>((most, next) => (most === null || length(next) > length(most) ? next : most), null);
  if (best !== null && length(best) > length(whole) * MIN_SHARE) {
    // The heading of an article may stand in a header of its own.
    for (const element of best.querySelectorAll('nav, aside, [role="navigation"]')) element.remove();
    return best;
  }
  for (const element of whole.querySelectorAll(AROUND)) element.remove();
  return whole;
}

interface Article {
  content?: string | null;
  textContent?: string | null;
}

async function articleOf({ document }: Page): Promise<DomElement | null> {
  const { Readability } = await import('@mozilla/readability');
  const article = new Readability(document.cloneNode(true) as never).parse() as Article | null;
  if (article === null || article.content == null || (article.textContent ?? '').trim() === '') return null;
  return (await parseDocument(article.content)).body;
}
