/** For pages that are built to be unreadable: linear, whatever they hold. */

/** Elements whose end may be left out, or that have none: many of them open say nothing about the depth of a page. */
const OPTIONAL_END = new Set(
  'area base br col embed hr img input link meta param source track wbr p li dt dd tr td th thead tbody tfoot option optgroup colgroup'.split(
    ' ',
  ),
);
const MAX_DEPTH = 1_000;

/** Is it nested so deeply that no document should be made of it? */
export function isTooDeep(html: string): boolean {
  let depth = 0;
  for (const [, slash, name = ''] of html.matchAll(/<(\/?)([a-z][a-z0-9-]{0,30})/gi)) {
    if (OPTIONAL_END.has(name.toLowerCase())) continue;
    depth = slash === '/' ? Math.max(0, depth - 1) : depth + 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** The text between the tags, without what scripts and styles hold. */
export function stripTags(html: string): string {
  const lower = html.toLowerCase();
  const pieces: string[] = [];
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf('<', at);
    if (open < 0) break;
    pieces.push(html.slice(at, open));
    const raw = ['script', 'style'].find((name) => lower.startsWith(`<${name}`, open));
    const from = raw === undefined ? open : lower.indexOf(`</${raw}`, open);
    const close = from < 0 ? -1 : html.indexOf('>', from);
    if (close < 0) return clean(pieces);
    at = close + 1;
  }
  pieces.push(html.slice(at));
  return clean(pieces);
}

function clean(pieces: readonly string[]): string {
  return pieces.join(' ').replaceAll(/\s+/g, ' ').trim();
}
