import type TurndownService from 'turndown';
import type { DomElement, DomNode } from './dom.ts';

/** Markdown with ATX headings, fenced code and tables. */
export async function toMarkdown(element: DomElement): Promise<string> {
  const { default: Turndown } = await import('turndown');
  const service = new Turndown({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-', emDelimiter: '*', hr: '---' });
  addTables(service);
  return service
    .turndown(element as never)
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}

function addTables(service: TurndownService): void {
  service.addRule('cell', {
    filter: ['th', 'td'],
    replacement: (content, node) => `${isFirst(node) ? '| ' : ' '}${oneLine(content)} |`,
  });
  service.addRule('row', {
    filter: 'tr',
    replacement: (content, node) => {
      const cells = [...node.childNodes].filter(({ nodeName }) => nodeName === 'TH' || nodeName === 'TD').length;
      if (cells === 0) return '';
      return `\n${content}${isHead(node) ? `\n|${' --- |'.repeat(cells)}` : ''}`;
    },
  });
  service.addRule('section', { filter: ['thead', 'tbody', 'tfoot'], replacement: (content) => content });
  service.addRule('table', { filter: 'table', replacement: (content) => `\n\n${content.trim()}\n\n` });
}

function oneLine(content: string): string {
  return content
    .trim()
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .replaceAll('|', '\\|');
}

function isFirst(node: DomNode): boolean {
  return [...(node.parentNode?.childNodes ?? [])].find(({ nodeType }) => nodeType === 1) === node;
}

/** Markdown tables have a head: the first row of the table, whatever it was called. */
function isHead(row: DomNode): boolean {
  let table = row.parentNode;
  while (table !== null && table.nodeName !== 'TABLE') table = table.parentNode;
  return table !== null && (table as DomElement).querySelector('tr') === row;
}
