import type { JsonObject } from '@everruns/agent/capability';
import type { Json } from '@everruns/agent/model';

/** More than this is not looked into. */
const MAX_CHARS = 256 * 1024;
const MAX_DEPTH = 64;

const WORDS: ReadonlyMap<string, Json> = new Map<string, Json>([
  ['true', true],
  ['false', false],
  ['null', null],
  ['True', true],
  ['False', false],
  ['None', null],
]);
const CLOSING: Readonly<Record<string, string>> = { '"': '"', "'": "'", '\u201c': '\u201d', '\u2018': '\u2019' };
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

/**
 * The object in a text that is nearly JSON: within a code fence or prose, with trailing commas, other quotes, bare keys, raw line breaks or
 * Python's words; null when there is none. What was cut off is not made up. One pass.
 */
export function salvageObject(text: string): JsonObject | null {
  if (text.length > MAX_CHARS) return null;
  const start = text.indexOf('{');
  const quoted = text.trim();
  if (/^"\s*(\\n)*\s*\{/.test(quoted)) return salvageQuoted(quoted);
  if (start === -1) return null;
  try {
    return new Reader(text, start).object(0);
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

/** An object that was serialised twice. */
function salvageQuoted(text: string): JsonObject | null {
  try {
    const inner: unknown = JSON.parse(text);
    return typeof inner === 'string' ? salvageObject(inner) : null;
  } catch {
    // Not even a JSON string: nothing that can be told apart from prose.
    return null;
  }
}

class Unreadable extends Error {}

class Reader {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  object(depth: number): JsonObject {
    this.#expect('{');
    const members: [string, Json][] = [];
    while (!this.#took('}')) {
      const key = this.#key();
      this.#expect(':');
      members.push([key, this.#value(depth + 1)]);
      if (!this.#took(',') && this.#peek() !== '}') throw new Unreadable();
    }
    return Object.fromEntries(members);
  }

  #array(depth: number): Json[] {
    this.#expect('[');
    const items: Json[] = [];
    while (!this.#took(']')) {
      items.push(this.#value(depth + 1));
      if (!this.#took(',') && this.#peek() !== ']') throw new Unreadable();
    }
    return items;
  }

  #value(depth: number): Json {
    if (depth > MAX_DEPTH) throw new Unreadable();
    const next = this.#peek();
    if (next === '{') return this.object(depth);
    if (next === '[') return this.#array(depth);
    if (next in CLOSING) return this.#string();
    const word = this.#take(/[\w.+-]+/y);
    const known = WORDS.get(word);
    if (known !== undefined) return known;
    if (/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(word)) return Number(word);
    throw new Unreadable();
  }

  #key(): string {
    return this.#peek() in CLOSING ? this.#string() : this.#take(/[A-Za-z_$][\w$-]*/y);
  }

  #string(): string {
    const closing = CLOSING[this.#peek()];
    this.#at += 1;
    const parts: string[] = [];
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) throw new Unreadable();
      this.#at += 1;
      if (char === closing) return parts.join('');
      parts.push(char === '\\' ? this.#escape() : char);
    }
  }

  #escape(): string {
    const char = this.#text[this.#at] ?? '';
    this.#at += 1;
    if (char !== 'u') return ESCAPES[char] ?? char;
    const code = this.#text.slice(this.#at, this.#at + 4);
    if (!/^[\da-fA-F]{4}$/.test(code)) throw new Unreadable();
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(code, 16));
  }

  #peek(): string {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
    return this.#text[this.#at] ?? '';
  }

  #took(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at += 1;
    return true;
  }

  #expect(char: string): void {
    if (!this.#took(char)) throw new Unreadable();
  }

  #take(pattern: RegExp): string {
    this.#peek();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw new Unreadable();
    this.#at += found.length;
    return found;
  }
}
