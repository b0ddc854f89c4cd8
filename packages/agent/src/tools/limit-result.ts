/** The most that one tool result may take in a prompt, as serialised JSON. */
export const MAX_RESULT_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface ResultLimit {
  maxBytes?: number;
  /** The file that it is kept in. */
  path?: string;
  /** Is all of it in the file? */
  isWhole?: boolean;
}

/** The serialised result, or, when that is too big, its head as a JSON string that says so. */
export function limitJson(json: string, limit: ResultLimit = {}): string {
  const totalBytes = Buffer.byteLength(json);
  if (totalBytes <= (limit.maxBytes ?? MAX_RESULT_BYTES)) return json;
  return JSON.stringify(limitText(json, totalBytes, limit));
}

/** An error text that fits, serialised, into the same limit. */
export function limitError(text: string, limit: ResultLimit = {}): string {
  if (Buffer.byteLength(JSON.stringify(text)) <= (limit.maxBytes ?? MAX_RESULT_BYTES)) return text;
  return limitText(text, Buffer.byteLength(text), limit);
}

function limitText(text: string, totalBytes: number, limit: ResultLimit): string {
  const { maxBytes = MAX_RESULT_BYTES } = limit;
  const rest = whereIsTheRest(limit);
  const suffix = `\n[Cut here: the result has ${totalBytes} bytes, at most ${maxBytes} are shown. ${rest}]`;
  // Quotes and line breaks grow when the head is serialised again, so it shrinks until it fits.
  let budget = maxBytes - Buffer.byteLength(suffix) - 2;
  for (;;) {
    const cut = `${headOf(text, budget)}${suffix}`;
    const overBytes = Buffer.byteLength(JSON.stringify(cut)) - maxBytes;
    if (overBytes <= 0 || budget <= 0) return cut;
    budget = Math.max(0, Math.min(budget - Math.ceil(overBytes / 2), budget - 16));
  }
}

function whereIsTheRest({ path, isWhole = true }: ResultLimit): string {
  if (path === undefined) return 'Ask for less, or for one part at a time.';
  return `${isWhole ? 'All of it' : 'A longer part of it'} is in the file ${path}: read it in parts.`;
}

/** As much of the text as fits into so many bytes of UTF-8, without half a character at the end. */
export function headOf(text: string, maxBytes: number): string {
  const { written } = encoder.encodeInto(text, new Uint8Array(Math.max(0, maxBytes)));
  return decoder.decode(encoder.encode(text.slice(0, maxBytes)).subarray(0, written));
}
