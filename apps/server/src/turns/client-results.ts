import { createHash } from 'node:crypto';
import { isRecord } from '@everruns/agent/objects';
import { largeError, largeJson } from '@everruns/agent/tools/keep-output';
import type { LargeOutput } from '@everruns/agent/tools/keep-output';
import type { Uuid } from '@everruns/contract';
import type { ClientResult } from '@everruns/engine';
import { writeFile } from '@everruns/storage';
import type { CallRow, HeldHead } from '@everruns/storage';
import { isDeepStrictEqual } from 'node:util';
import type { ToolResultInput } from './port.ts';

/**
 * What clients answer, as it may stand in a prompt: a result that is too large for one is kept in a file of the session, like those of tools that run
 * here, and its head says where.
 */
export interface BoundedResult {
  callId: string;
  /** The result with all that belongs in a prompt. */
  shown(isKept: boolean): ClientResult;
  /** Absent where the result fits. */
  file?: LargeOutput['file'];
}

export function boundedResult({ toolCallId: callId, result = null, error }: ToolResultInput): BoundedResult {
  if (error !== undefined) {
    const large = largeError(error, callId);
    if (large === null) return { callId, shown: () => ({ callId, error }) };
    return { callId, file: large.file, shown: (isKept) => ({ callId, error: large.head(isKept), digest: digestOf(error) }) };
  }
  const large = largeJson(result as Parameters<typeof largeJson>[0], JSON.stringify(result), callId);
  if (large === null) return { callId, shown: () => ({ callId, result }) };
  const digest = digestOf(result);
  return { callId, file: large.file, shown: (isKept) => ({ callId, result: JSON.parse(large.head(isKept)) as unknown, digest }) };
}

/** The same for every way to write one value. */
function digestOf(value: unknown): string {
  const sorted = (_key: string, part: unknown): unknown =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part;
  return createHash('sha256').update(JSON.stringify(value, sorted)).digest('hex');
}

/** Keeps what is too large, in the transaction in which the result is taken. Where there is no room for it, the head is all that is left. */
export async function keptResult(held: HeldHead, orgId: Uuid, bounded: BoundedResult): Promise<ClientResult> {
  const { file } = bounded;
  if (file === undefined) return bounded.shown(false);
  const write = { path: file.path, bytes: Buffer.from(file.content), isReadonly: null, mode: 'put', expectedHash: null } as const;
  const { verdict } = await writeFile(held.tx, { orgId, sessionId: held.sessionId, workspaceId: null, lease: null }, write);
  return bounded.shown(verdict === 'ok');
}

/** Is this what the call was answered with before? */
export function isSameResult(call: CallRow, bounded: BoundedResult): boolean {
  return [true, false].some((isKept) => {
    const { callId: _callId, digest, ...given } = bounded.shown(isKept);
    const before = isRecord(call.result) ? call.result['digest'] : undefined;
    // An earlier version kept no digest.
    if (digest === undefined || before === undefined) return isDeepStrictEqual(call.result, given);
    return before === digest && 'error' in given === 'error' in (call.result as object);
  });
}
