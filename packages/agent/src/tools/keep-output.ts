import { MAX_FILE_BYTES } from '@everruns/contract/files/content';
import { shownPath } from '@everruns/contract/files/paths';
import type { Json } from '../model.ts';
import type { SessionAccess } from '../session-access.ts';
import { headOf, limitError, limitJson, MAX_RESULT_BYTES } from './limit-result.ts';
import type { ResultLimit } from './limit-result.ts';

/** Where results that are too big for a prompt are kept, as a session's files are stored. */
const FOLDER = '/outputs';
const NOT_IN_NAMES = /[^\w.-]/g;

export interface OutputPlace {
  session: SessionAccess;
  tool_call_id: string;
  signal: AbortSignal;
}

/** The serialised value; one that is too big is kept in a file of the session, and its head says where. */
export async function keptJson(value: Json, place: OutputPlace): Promise<string> {
  const json = JSON.stringify(value);
  if (Buffer.byteLength(json) <= MAX_RESULT_BYTES) return json;
  return limitJson(json, await keep(value, json, place));
}

/** The same for the text of an error. */
export async function keptError(text: string, place: OutputPlace): Promise<string> {
  if (Buffer.byteLength(JSON.stringify(text)) <= MAX_RESULT_BYTES) return text;
  return limitError(text, await keep(text, text, place));
}

/**
 * Named after the call: one that is repeated writes the same file. JSON is broken into lines, so that it can be read in parts. What is larger than a file
 * can be is kept from its beginning. Where nothing can be kept, for want of room above all, the head is shown all the same: the call has succeeded.
 */
async function keep(value: Json, json: string, { session, tool_call_id, signal }: OutputPlace): Promise<ResultLimit> {
  const isText = typeof value === 'string';
  const path = `${FOLDER}/${tool_call_id.replaceAll(NOT_IN_NAMES, '_').slice(0, 100)}.${isText ? 'txt' : 'json'}`;
  const isBeyond = Buffer.byteLength(json) > MAX_FILE_BYTES;
  const whole = (isText ? value : isBeyond ? json : JSON.stringify(value, null, 2)).toWellFormed();
  const content = headOf(whole, MAX_FILE_BYTES);
  try {
    await session.call('files.write', { path, content, encoding: 'text' });
    return { path: shownPath(path), isWhole: content.length === whole.length };
  } catch {
    signal.throwIfAborted(); // the step is over, and nobody waits for this result any more
    return {};
  }
}
