import type { Focus } from '../spec.ts';
import { focusOn } from './focus.ts';
import { toMarkdown } from './markdown.ts';
import { parsePage } from './page.ts';
import { isTooDeep, stripTags } from './strip-tags.ts';
import { toText } from './text.ts';

export interface Converted {
  title?: string;
  content: string;
  /** Absolute addresses that the whole page links to, each once. */
  links: string[];
}

export interface ConvertOptions {
  url: string;
  format: 'markdown' | 'text';
  focus: Focus;
}

/** An HTML page as text for a model. A page that is built to be unreadable gives the bare text of its markup. */
export async function convertHtml(html: string, { url, format, focus }: ConvertOptions): Promise<Converted> {
  if (isTooDeep(html)) return { content: stripTags(html), links: [] };
  try {
    const page = await parsePage(html, url);
    const part = await focusOn(page, focus);
    const content = format === 'markdown' ? await toMarkdown(part) : toText(part);
    return { ...(page.title !== '' && { title: page.title }), content, links: page.links };
  } catch (error) {
    // Nesting that does not show in the markup still ends in the recursion of the converters.
    if (!(error instanceof RangeError)) throw error;
    return { content: stripTags(html), links: [] };
  }
}
