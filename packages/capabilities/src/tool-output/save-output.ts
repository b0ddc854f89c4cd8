import type { ToolContext } from '@everruns/agent/capability';
import type { Json } from '@everruns/agent/model';
import { shownPath } from '@everruns/contract/files/paths';
import { SessionCallError } from '@everruns/agent/session-access';

/** Where the whole of a result is kept. */
const FOLDER = '/outputs';
const NOT_IN_NAMES = /[^\w.-]/g;

/**
 * Writes a result into the files of the session, under the id of its call: a call that is repeated writes the same file. Gives the path
 * as tools take it, or null
 * where it cannot be kept (no room, a file system that is read-only).
 */
export async function saveOutput(value: Json, ctx: ToolContext): Promise<string | null> {
  const isText = typeof value === 'string';
  const path = `${FOLDER}/${ctx.tool_call_id.replaceAll(NOT_IN_NAMES, '_').slice(0, 100)}.${isText ? 'txt' : 'json'}`;
  const content = (isText ? value : JSON.stringify(value, null, 2)).toWellFormed();
  try {
    await ctx.session.call('files.write', { path, content, encoding: 'text' });
    return shownPath(path);
  } catch (error) {
    if (!(error instanceof SessionCallError)) throw error;
    return null;
  }
}
