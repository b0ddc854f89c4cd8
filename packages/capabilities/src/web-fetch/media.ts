/** What a body is, by its headers and its first bytes. */

const TEXT_TYPES =
  /^(text\/|application\/(json|xml|javascript|ecmascript|yaml|x-yaml|toml|x-www-form-urlencoded|graphql|sql|x-sh|x-ndjson|jsonl)\b|image\/svg)|\+(json|xml|yaml|text)\b/;
const SNIFF_BYTES = 1_024;

export function isHtml(contentType: string, text: string): boolean {
  if (/\b(text\/html|application\/xhtml)\b/.test(contentType)) return true;
  return contentType === '' && /^\s*(<!doctype html|<html)/i.test(text);
}

/** Null means that the first bytes have to decide. */
export function isTextType(contentType: string): boolean | null {
  const type = contentType.toLowerCase();
  return type === '' ? null : TEXT_TYPES.test(type);
}

export function looksBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, SNIFF_BYTES).includes(0);
}

/** The text in the character set that the headers or the page itself name; bytes that do not fit become replacement characters. */
export function decodeText(bytes: Uint8Array, contentType: string): string {
  const named = /charset\s*=\s*"?([\w-]+)/i.exec(contentType)?.[1] ?? metaCharset(bytes);
  return decoderOf(named ?? 'utf-8').decode(bytes);
}

function metaCharset(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, SNIFF_BYTES)).toString('latin1');
  return /<meta[^>]+charset\s*=\s*["']?([\w-]+)/i.exec(head)?.[1];
}

function decoderOf(label: string): { decode(bytes: Uint8Array): string } {
  try {
    return new TextDecoder(label);
  } catch {
    return new TextDecoder(); // a name that nobody knows
  }
}

/** The name that a download would have. */
export function filenameOf(headers: Headers, url: string): string | undefined {
  const disposition = headers.get('content-disposition') ?? '';
  const star = /filename\*\s*=\s*utf-8''([^;]+)/i.exec(disposition)?.[1];
  const named = star === undefined ? /filename\s*=\s*(?:"([^"]+)"|([^;\s]+))/i.exec(disposition) : null;
  const last = new URL(url).pathname.split('/').at(-1);
  const name = decoded(star) ?? named?.[1] ?? named?.[2] ?? (last?.includes('.') === true ? decoded(last) : undefined);
  // Only the last part: the rest would be a path of somebody else's choosing.
  return name?.split(/[/\\]/).at(-1) || undefined;
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return text; // not encoded after all
  }
}
