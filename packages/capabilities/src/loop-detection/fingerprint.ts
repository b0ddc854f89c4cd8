import { createHash } from 'node:crypto';
import type { CallPart, ResultPart } from '../history.ts';

/** Arguments that say nothing about what a call does. */
const PLAIN_ARGUMENTS = new Set(['human_intent', 'output']);
const TIME_KEY = /(^|_)(time|timestamp|date|at|duration|elapsed|duration_ms|elapsed_ms)$/i;
const TIME_TEXT = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?/g;

/** Equal for calls that do the same. */
export function callFingerprint({ name, arguments: args }: Pick<CallPart, 'name' | 'arguments'>): string {
  return hash([name, normalised(args, (key) => PLAIN_ARGUMENTS.has(key))]);
}

/** Equal for results that say the same, at whatever time. */
export function resultFingerprint({ result, error }: Pick<ResultPart, 'result' | 'error'>): string {
  return hash(normalised(error ?? result ?? null, (key) => TIME_KEY.test(key)));
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

function normalised(value: unknown, leavesOut: (key: string) => boolean): unknown {
  if (typeof value === 'string') return value.replaceAll(TIME_TEXT, '').replaceAll(/\s+/g, ' ').trim();
  if (Array.isArray(value)) return value.map((item) => normalised(item, leavesOut));
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .filter(([key]) => !leavesOut(key))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => [key, normalised(member, leavesOut)]);
}
