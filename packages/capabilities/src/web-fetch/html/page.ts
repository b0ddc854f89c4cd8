import { parseDocument, type DomDocument } from './dom.ts';

/** A parsed page. Its scripts never run. */
export interface Page {
  document: DomDocument;
  title: string;
  links: string[];
}

/** What shows nothing, or nothing that can be read. */
const INVISIBLE = 'script, style, noscript, template, svg, canvas, iframe, object, embed, link, meta, [hidden], [aria-hidden="true"]';
const MAX_LINKS = 1_000;

/** Parses, removes what nobody sees, and makes addresses absolute. */
export async function parsePage(html: string, url: string): Promise<Page> {
  const document = await parseDocument(html);
  const title = (document.querySelector('title')?.textContent ?? '').replaceAll(/\s+/g, ' ').trim();
  const base = baseOf(document, url);
  for (const element of document.querySelectorAll(INVISIBLE)) element.remove();
  const links = new Set<string>();
  for (const element of document.querySelectorAll('a[href]')) {
    const address = absolute(element.getAttribute('href') ?? '', base);
    if (address === null) element.removeAttribute('href');
    else element.setAttribute('href', address);
    if (address !== null && links.size < MAX_LINKS) links.add(address.split('#')[0] as string);
  }
  for (const element of document.querySelectorAll('img')) {
    const address = absolute(element.getAttribute('src') ?? '', base);
    if (address === null) element.remove();
    else element.setAttribute('src', address);
  }
  return { document, title, links: [...links] };
}

function baseOf(document: DomDocument, url: string): string {
  const base = document.querySelector('base[href]')?.getAttribute('href') ?? '';
  return URL.canParse(base, url) ? new URL(base, url).href : url;
}

/** Only what can be fetched: a `data:` picture of a megabyte and a `javascript:` link are nothing to read. */
function absolute(address: string, base: string): string | null {
  if (address === '' || !URL.canParse(address, base)) return null;
  const url = new URL(address, base);
  return url.protocol === 'http:' || url.protocol === 'https:' || url.protocol === 'mailto:' ? url.href : null;
}
