/**
 * Cuts a text into blocks that mean the same apart as together, so that of a text that grows only the last one is read again. Lists, quotes
 * and code stay whole; a text with link definitions or footnotes is not cut.
 */
export function markdownBlocks(text: string): string[] {
  if (/^ {0,3}\[[^\]]+\]:/m.test(text)) return [text];
  const blocks: string[] = [];
  let lines: string[] = [];
  let fence: string | null = null;
  for (const line of text.split('\n')) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === null && line.trim() !== '' && lines.at(-1)?.trim() === '' && !(isNested(lines[0] ?? '') && continues(line))) {
      blocks.push(lines.join('\n'));
      lines = [];
    }
    lines.push(line);
    if (fence === null) fence = mark ?? null;
    else if (mark?.startsWith(fence) === true && line.trim() === mark) fence = null;
  }
  if (lines.some((line) => line.trim() !== '')) blocks.push(lines.join('\n'));
  return blocks;
}

const MARK = /^ {0,3}([-*+]|\d+[.)]|>)(\s|$)/;

const isNested = (line: string): boolean => MARK.test(line);

/** What may belong to the list or quote before the empty line. */
function continues(line: string): boolean {
  return /^\s/.test(line) || MARK.test(line);
}

/** The last block of a text that is being written, without marks that have no end yet: they would be shown and then vanish. */
export function settledTail(text: string): string {
  if (opensFence(text)) return text;
  const cut = text.replace(/!?\[[^\]\n]*\]\([^)\s]*$/, (link) => /^!?\[([^\]\n]*)\]/.exec(link)?.[1] ?? '').replace(/[*_`~[]+$/, '');
  const line = cut.slice(cut.lastIndexOf('\n\n') + 1);
  if (count(line, /`/g) % 2 === 1) return `${cut}\``;
  const strong = count(line, /\*\*/g) % 2 === 1 ? '**' : '';
  return cut + strong;
}

function opensFence(text: string): boolean {
  return count(text, /^ {0,3}(?:`{3,}|~{3,})/gm) % 2 === 1;
}

const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;
