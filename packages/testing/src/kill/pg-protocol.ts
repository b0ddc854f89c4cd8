/**
 * The part of PostgreSQL's protocol (version 3) that a proxy needs: cutting a byte stream into messages and reading the few of them
 * that say which statement runs, whether it was answered and which back-end answers.
 */

/** `tag` is the message's letter; `bytes` is the whole message as it travels, letter and length included. */
export interface PgMessage {
  tag: string;
  bytes: Buffer;
}

/** A start-up packet has no letter. `code` is the protocol version or one of the special request codes. */
export interface StartupPacket {
  code: number;
  bytes: Buffer;
}

export const SSL_REQUEST = 80877103;
export const GSS_REQUEST = 80877104;
export const CANCEL_REQUEST = 80877102;

const HEADER_BYTES = 5;
const STARTUP_HEADER_BYTES = 8;

/** Collects bytes and gives out whole messages; what is incomplete waits for the next chunk. */
export class MessageReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
  }

  /** The start-up packet, once it is complete. Only valid as the first thing that a client sends. */
  startup(): StartupPacket | null {
    const rest = this.#rest;
    if (rest.length < STARTUP_HEADER_BYTES) return null;
    const length = rest.readInt32BE(0);
    if (length < STARTUP_HEADER_BYTES) throw new Error(`A start-up packet of ${length} bytes is no PostgreSQL protocol.`);
    if (rest.length < length) return null;
    this.#rest = rest.subarray(length);
    return { code: rest.readInt32BE(4), bytes: rest.subarray(0, length) };
  }

  next(): PgMessage | null {
    const rest = this.#rest;
    if (rest.length < HEADER_BYTES) return null;
    const length = rest.readInt32BE(1);
    if (length < 4) throw new Error(`A message of ${length} bytes is no PostgreSQL protocol.`);
    const end = 1 + length;
    if (rest.length < end) return null;
    this.#rest = rest.subarray(end);
    return { tag: String.fromCharCode(rest[0] as number), bytes: rest.subarray(0, end) };
  }
}

/** A message with this letter and body. */
export function encodeMessage(tag: string, body: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.write(tag, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** `Query`: the text of a simple query. */
export function queryText(message: PgMessage): string {
  return cString(message.bytes, HEADER_BYTES).text;
}

export function encodeQuery(text: string): Buffer {
  return encodeMessage('Q', Buffer.from(`${text}\0`));
}

export interface ParsedStatement {
  name: string;
  text: string;
  /** What follows the text: the parameter types. */
  tail: Buffer;
}

export function parseStatement(message: PgMessage): ParsedStatement {
  const name = cString(message.bytes, HEADER_BYTES);
  const text = cString(message.bytes, name.end);
  return { name: name.text, text: text.text, tail: message.bytes.subarray(text.end) };
}

export function encodeParse(statement: ParsedStatement): Buffer {
  return encodeMessage('P', Buffer.concat([Buffer.from(`${statement.name}\0${statement.text}\0`), statement.tail]));
}

/** `Bind`: which statement a portal runs. */
export function bindTarget(message: PgMessage): { portal: string; statement: string } {
  const portal = cString(message.bytes, HEADER_BYTES);
  return { portal: portal.text, statement: cString(message.bytes, portal.end).text };
}

/** `Execute`: the portal. */
export function executePortal(message: PgMessage): string {
  return cString(message.bytes, HEADER_BYTES).text;
}

/** `CommandComplete`: the command tag, for example `INSERT 0 1` or `COMMIT`. */
export function commandTag(message: PgMessage): string {
  return cString(message.bytes, HEADER_BYTES).text;
}

/** `ReadyForQuery`: idle, in a transaction, or in a failed one. */
export function readyStatus(message: PgMessage): 'I' | 'T' | 'E' {
  return String.fromCharCode(message.bytes[HEADER_BYTES] as number) as 'I' | 'T' | 'E';
}

/** `BackendKeyData`: the process that serves this connection. */
export function backendPid(message: PgMessage): number {
  return message.bytes.readInt32BE(HEADER_BYTES);
}

/** `ErrorResponse`: the SQLSTATE. */
export function errorState(message: PgMessage): string {
  let at = HEADER_BYTES;
  while (at < message.bytes.length && message.bytes[at] !== 0) {
    const field = String.fromCharCode(message.bytes[at] as number);
    const value = cString(message.bytes, at + 1);
    if (field === 'C') return value.text;
    at = value.end;
  }
  return '';
}

function cString(bytes: Buffer, from: number): { text: string; end: number } {
  const zero = bytes.indexOf(0, from);
  if (zero === -1) throw new Error('A string without an end is no PostgreSQL protocol.');
  return { text: bytes.toString('utf8', from, zero), end: zero + 1 };
}
