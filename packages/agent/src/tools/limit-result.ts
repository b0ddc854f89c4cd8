/** The most that one tool result may take in a prompt, as serialised JSON. */
export const MAX_RESULT_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The serialised result, or, when that is too big, its head as a JSON string that says so. */
export function limitJson(json: string, maxBytes: number = MAX_RESULT_BYTES): string {
  const totalBytes = Buffer.byteLength(json);
  if (totalBytes <= maxBytes) return json;
  return JSON.stringify(limitText(json, totalBytes, maxBytes));
}

/** An error text that fits, serialised, into the same limit. */
export function limitError(text: string, maxBytes: number = MAX_RESULT_BYTES): string {
  if (Buffer.byteLength(JSON.stringify(text)) <= maxBytes) return text;
  return limitText(text, Buffer.byteLength(text), maxBytes);
}

function limitText(text: string, totalBytes: number, maxBytes: number): string {
  const suffix = `\n[Cut here: the result has ${totalBytes} bytes, at most ${maxBytes} are shown. Ask for less, or for one part at a time.]`;
  // Quotes and line breaks grow when the head is serialised again, so it shrinks until it fits.
  let budget = maxBytes - Buffer.byteLength(suffix) - 2;
  for (;;) {
    const cut = `${head(text, budget)}${suffix}`;
    const overBytes = Buffer.byteLength(JSON.stringify(cut)) - maxBytes;
    if (overBytes <= 0 || budget <= 0) return cut;
    budget = Math.max(0, Math.min(budget - Math.ceil(overBytes / 2), budget - 16));
  }
}

/** As much of the text as fits into so many bytes of UTF-8, without half a character at the end. */
function head(text: string, maxBytes: number): string {
  const { written } = encoder.encodeInto(text, new Uint8Array(Math.max(0, maxBytes)));
  return decoder.decode(encoder.encode(text.slice(0, maxBytes)).subarray(0, written));
}
