/** Content of files as it travels in JSON: text as it is, everything else as base64. Stored are the bytes. */

export type FileEncoding = 'text' | 'base64';

/** Largest file, in bytes. */
export const MAX_FILE_BYTES = 10 * 1024 * 1024;
/** Most bytes of all files of one workspace. */
export const MAX_WORKSPACE_BYTES = 512 * 1024 * 1024;
/** Most files and directories of one workspace. */
export const MAX_WORKSPACE_ENTRIES = 20_000;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes, or null for base64 that is not the one spelling of its bytes: decoding and encoding it again must give the same text. */
export function contentBytes(content: string, encoding: FileEncoding): Buffer | null {
  if (encoding === 'text') return Buffer.from(content, 'utf8');
  const bytes = Buffer.from(content, 'base64');
  return bytes.toString('base64') === content ? bytes : null;
}

/** The text of the bytes, or null when they are none: not UTF-8, or with NUL. */
export function textOfBytes(bytes: Uint8Array): string | null {
  if (bytes.includes(0)) return null;
  try {
    return utf8.decode(bytes);
  } catch {
    return null; // a TypeError is how the decoder says no
  }
}

export function encodedContent(bytes: Buffer): { content: string; encoding: FileEncoding } {
  const text = textOfBytes(bytes);
  return text === null ? { content: bytes.toString('base64'), encoding: 'base64' } : { content: text, encoding: 'text' };
}
