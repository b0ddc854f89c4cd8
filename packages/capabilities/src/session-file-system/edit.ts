import { unifiedDiff } from './diff.ts';
import type { Change } from './diff.ts';

export interface Edit {
  old_text: string;
  new_text: string;
}

export interface Edited {
  text: string;
  /** Number of the first line that changed, from 1. */
  firstChangedLine: number;
  diff: string;
}

const BOM = '\uFEFF';

/**
 * Applies all edits to the original at once. Each old text must be there exactly once, and none may touch another. A byte order mark and the file's way
 * of ending lines stay. Returns a sentence for the model when it cannot be done.
 */
export function applyEdits(original: string, edits: readonly Edit[]): Edited | string {
  const mark = original.startsWith(BOM) ? BOM : '';
  const body = original.slice(mark.length);
  const isCrlf = /\r\n/.test(body) && !/(?<!\r)\n/.test(body);
  const unix = (text: string): string => (isCrlf || !body.includes('\r') ? text.replaceAll('\r\n', '\n') : text);
  const text = unix(body);
  const changes: Change[] = [];
  for (const [index, edit] of edits.entries()) {
    const change = locate(text, { old_text: unix(edit.old_text), new_text: unix(edit.new_text) }, index);
    if (typeof change === 'string') return change;
    changes.push(change);
  }
  changes.sort((a, b) => a.start - b.start);
  const overlap = changes.findIndex((change, index) => index > 0 && change.start < (changes[index - 1] as Change).end);
  if (overlap !== -1) return 'Two edits touch the same text. Put them into one edit.';
  if (changes.every((change) => text.slice(change.start, change.end) === change.replacement)) return 'The edits change nothing.';
  const edited = replaced(text, changes);
  return {
    text: mark + (isCrlf ? edited.replaceAll('\n', '\r\n') : edited),
    firstChangedLine: text.slice(0, (changes[0] as Change).start).split('\n').length,
    diff: unifiedDiff(text, changes),
  };
}

function locate(text: string, { old_text, new_text }: Edit, index: number): Change | string {
  const what = `edits[${index}].old_text`;
  if (old_text === '') return `${what} must not be empty.`;
  const start = text.indexOf(old_text);
  if (start === -1) return `${what} was not found. It must be the file's own text, to the last space; line numbers are not part of it.`;
  if (text.includes(old_text, start + 1)) return `${what} occurs more than once. Add lines around it until it is the only one.`;
  return { start, end: start + old_text.length, replacement: new_text };
}

function replaced(text: string, changes: readonly Change[]): string {
  let result = '';
  let at = 0;
  for (const { start, end, replacement } of changes) {
    result += text.slice(at, start) + replacement;
    at = end;
  }
  return result + text.slice(at);
}
