import type { DomElement, DomNode } from './dom.ts';

const BLOCKS = new Set(
  'ADDRESS ARTICLE ASIDE BLOCKQUOTE DD DIV DL DT FIGURE FOOTER FORM H1 H2 H3 H4 H5 H6 HEADER HR LI MAIN NAV OL P PRE SECTION TABLE TR UL'.split(
    ' ',
  ),
);
const TEXT = 3;

/** What a reader would see, without any markup: one line per block, one space for every other white space. */
export function toText(element: DomElement): string {
  const pieces: string[] = [];
  // A stack of its own: how deep a page is nested is its author's choice. Strings on it are what closes an element.
  const open: (DomNode | string)[] = [element];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next === 'string') pieces.push(next);
    else if (next.nodeType === TEXT)
      pieces.push(isPreformatted(next) ? (next.textContent ?? '') : (next.textContent ?? '').replaceAll(/\s+/g, ' '));
    else if (next.nodeName === 'BR') pieces.push('\n');
    else {
      const isBlock = BLOCKS.has(next.nodeName);
      if (isBlock) pieces.push('\n');
      if (isBlock || next.nodeName === 'TD' || next.nodeName === 'TH') open.push(isBlock ? '\n' : '\t');
      for (const child of [...next.childNodes].toReversed()) open.push(child);
    }
  }
  const lines = pieces.join('').split('\n');
  return lines
    .map((line) => line.trimEnd().replace(/^ (?! )/, ''))
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}

function isPreformatted(node: DomNode): boolean {
  return node.parentNode?.nodeName === 'PRE' || node.parentNode?.parentNode?.nodeName === 'PRE';
}
