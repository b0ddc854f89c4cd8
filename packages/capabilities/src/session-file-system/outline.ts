import { extensionOf } from './content-type.ts';

export interface OutlineEntry {
  /** Number of the line, from 1. */
  line: number;
  text: string;
}

const MAX_CHARS = 120;
const HEADING = /^#{1,6}\s+\S/;
/** A definition at the start of a line, or one step in: functions, classes and their like of the common languages. */
const DEFINITION =
  /^\s{0,4}(?:export\s+|default\s+|public\s+|private\s+|protected\s+|static\s+|abstract\s+|async\s+|pub(?:\([a-z]+\))?\s+)*(?:function|class|interface|enum|struct|trait|impl|fn|def|func|module|namespace|type)\s+[\w<(*&]/;
const CODE = new Set('ts tsx js jsx mjs cjs py rs go java kt kts scala swift c h cc cpp hpp cs rb php lua dart ex exs zig'.split(' '));
const PROSE = new Set(['md', 'markdown', 'mdx']);

/** The lines by which one finds one's way: headings of Markdown, definitions of programs. */
export function outlineOf(path: string, lines: readonly string[]): OutlineEntry[] {
  const extension = extensionOf(path);
  const pattern = PROSE.has(extension) ? HEADING : CODE.has(extension) ? DEFINITION : null;
  if (pattern === null) return [];
  return lines.flatMap((text, index) =>
    pattern.test(text.slice(0, 300)) ? [{ line: index + 1, text: text.trim().slice(0, MAX_CHARS) }] : [],
  );
}
