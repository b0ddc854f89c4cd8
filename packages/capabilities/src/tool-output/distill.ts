import type { JsonObject } from '@everruns/agent/capability';
import type { Json } from '@everruns/agent/model';
import { headAndTail } from '../output-truncation/output-truncation.ts';

const SAMPLE_ITEMS = 3;
const MAX_TEXT_BYTES = 1_500;
const MAX_MEMBERS = 40;
const MIN_ROOM_BYTES = 100;
const MAX_DEPTH = 8;
const DIFF_FILE = /^(?:diff --git a\/(?<git>\S+) |\+\+\+ b\/(?<plain>\S+))/;

/** The gist of a large value in at most so many bytes of JSON: samples of lists, both ends of texts, the files of a diff. */
export function distill(value: Json, maxBytes: number): Json {
  const gist = typeof value === 'string' ? textGist(value, maxBytes) : shrink(value, 0);
  const json = JSON.stringify(gist);
  if (Buffer.byteLength(json) <= maxBytes) return gist;
  const text = typeof gist === 'string' ? gist : json;
  // Quotes, line breaks and control characters grow when a text is serialised again.
  for (let room = maxBytes; ; room = Math.floor(room / 2)) {
    const cut = headAndTail(text, room);
    if (room < MIN_ROOM_BYTES || Buffer.byteLength(JSON.stringify(cut)) <= maxBytes) return cut;
  }
}

function textGist(text: string, maxBytes: number): Json {
  return diffGist(text) ?? headAndTail(text, Math.floor(maxBytes * 0.75));
}

function shrink(value: Json, depth: number): Json {
  if (typeof value === 'string') return Buffer.byteLength(value) <= MAX_TEXT_BYTES ? value : textGist(value, MAX_TEXT_BYTES);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return Array.isArray(value) ? `[${value.length} items]` : '[an object]';
  return Array.isArray(value) ? listGist(value, depth) : objectGist(value, depth);
}

/** The first items and the last one: what the items look like, and where the list ends. */
function listGist(items: readonly Json[], depth: number): Json {
  if (items.length <= SAMPLE_ITEMS + 2) return items.map((item) => shrink(item, depth + 1));
  const first = items.slice(0, SAMPLE_ITEMS).map((item) => shrink(item, depth + 1));
  return { total_items: items.length, first_items: first, last_item: shrink(items.at(-1) ?? null, depth + 1) };
}

function objectGist(object: JsonObject, depth: number): JsonObject {
  const members = Object.entries(object);
  const shown = members.slice(0, MAX_MEMBERS).map(([key, member]): [string, Json] => [key, shrink(member, depth + 1)]);
  if (members.length > MAX_MEMBERS) shown.push(['…', `${members.length - MAX_MEMBERS} more members`]);
  return Object.fromEntries(shown);
}

/** Files of a unified diff with the lines added and removed; null for any other text. */
function diffGist(text: string): Json | null {
  if (!/^(diff --git |--- )/.test(text)) return null;
  const files: { path: string; added: number; removed: number }[] = [];
  for (const line of text.split('\n')) {
    const groups = DIFF_FILE.exec(line)?.groups;
    const path = groups?.git ?? groups?.plain;
    if (path !== undefined && files.at(-1)?.path !== path) files.push({ path, added: 0, removed: 0 });
    const current = files.at(-1);
    if (current === undefined) continue;
    if (/^\+(?!\+\+ )/.test(line)) current.added += 1;
    if (/^-(?!-- )/.test(line)) current.removed += 1;
  }
  return files.length === 0 ? null : { kind: 'diff', total_files: files.length, files: files.slice(0, MAX_MEMBERS) };
}
