import { fetchPage, type FetchSettings, type PageResult } from './fetch-page.ts';
import type { PreparedRequest } from './request.ts';

export interface CrawlResult {
  url: string;
  pages: PageResult[];
  /** There are more pages that were not fetched, or contents that were cut. */
  truncated?: boolean;
  /** Addresses that gave nothing, with the reason. */
  failed?: { url: string; error: string }[];
}

export interface CrawlOptions extends FetchSettings {
  maxPages: number;
  /** What a failed request is told as; rethrows what is not a failure of the address. */
  describe(error: unknown, url: string): string;
  progress(message: string): void;
}

/** All contents of a crawl together. */
const MAX_CONTENT_CHARS = 256 * 1_024;
const CRAWL_MS = 120_000;

/** Breadth first from one page, one request at a time, within the site that the first page turned out to be on. */
export async function crawl(request: PreparedRequest, options: CrawlOptions): Promise<CrawlResult> {
  const deadline = AbortSignal.timeout(CRAWL_MS);
  const first = await fetchPage(request, options);
  const origin = new URL(first.result.url).origin;
  const pages = [first.result];
  const failed: { url: string; error: string }[] = [];
  const seen = new Set([withoutHash(request.url), withoutHash(first.result.url)]);
  const queue: string[] = [];
  const enqueue = (links: readonly string[]) => {
    for (const link of links.filter((each) => new URL(each).origin === origin && !seen.has(each))) {
      seen.add(link);
      queue.push(link);
    }
  };
  enqueue(first.links);
  while (queue.length > 0 && pages.length + failed.length < options.maxPages && !deadline.aborted) {
    const url = queue.shift() as string;
    options.progress(`Page ${pages.length + failed.length + 1}: ${url}`);
    try {
      const { result, links } = await fetchPage({ ...request, url }, options);
      // A page that sends elsewhere is not part of this site.
      if (new URL(result.url).origin !== origin) continue;
      seen.add(withoutHash(result.url));
      pages.push(result);
      enqueue(links);
    } catch (error) {
      failed.push({ url, error: options.describe(error, url) });
    }
  }
  const isCut = limitContents(pages) || queue.length > 0;
  return { url: first.result.url, ...(isCut && { truncated: true }), ...(failed.length > 0 && { failed }), pages };
}

/** Each page gets its share; true when one of them had more. */
function limitContents(pages: PageResult[]): boolean {
  const share = Math.floor(MAX_CONTENT_CHARS / pages.length);
  let isCut = false;
  for (const page of pages) {
    if (page.content === undefined || page.content.length <= share) continue;
    isCut = true;
    page.content = page.content.slice(0, share);
    page.truncated = true;
  }
  return isCut;
}

function withoutHash(url: string): string {
  const parsed = new URL(url);
  parsed.hash = '';
  return parsed.href;
}
