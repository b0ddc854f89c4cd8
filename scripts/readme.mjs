import { readFileSync } from 'node:fs';

/** The first shell block below a heading of README.md, so that what is tried is what people read. */
export function readmeBlock(heading) {
  const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  const block = /^```sh\n([\s\S]*?)^```$/m.exec(section ?? '')?.[1];
  if (block === undefined) throw new Error(`README.md has no shell block below "## ${heading}".`);
  return block;
}
