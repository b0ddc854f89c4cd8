import type { Capability, ToolSpec } from '@everruns/agent/capability';
import type { StoredMessage } from '@everruns/contract';
import { infoOf } from '../config.ts';
import { callBatches, withNotices, type CallBatch } from '../history.ts';
import { callFingerprint, resultFingerprint } from './fingerprint.ts';

/** Calls in one turn after which each way of standing still is remarked upon, and again after as many more. */
export const PROGRESS_LIMITS = { exploring: 20, searching: 3, rereading: 4, polling: 5 };

const SEARCH_NAME = /(^|_)(search|grep|find|glob|query)(_|$)/;
const READ_NAME = /(^|_)(read|get|stat|fetch)(_|$)/;

/** Tells the model when it only looks around. Nothing is blocked. */
export const progressGuard: Capability = {
  info: infoOf({
    id: 'progress_guard',
    name: 'Progress Guard',
    description: 'Tells the model when it keeps looking around without getting on.',
    category: 'Guardrails',
    icon: 'activity',
  }),
  resolve: () => ({
    tools: [],
    hooks: { viewMessages: (messages, { tools }) => withNotices(messages, progressNotices(messages, tools), 'progress') },
  }),
};

type Standstill = keyof typeof PROGRESS_LIMITS;

const TEXTS: Record<Standstill, (times: number) => string> = {
  exploring: (times) =>
    `You have made ${times} calls that only look, and none that changes anything. Decide on the next step, or answer with what you know.`,
  searching: (times) => `You have made the same search ${times} times. Its result will not change: use it, or search for something else.`,
  rereading: (times) => `You have read the same thing ${times} times, and nothing has changed it. Use what you have read.`,
  polling: (times) =>
    `You have asked for the same thing ${times} times and waited for another answer. Do something else meanwhile, or tell the user that it is not ready.`,
};

/** A remark behind each message where a turn has stood still once more: the same wherever the history ends. */
export function progressNotices(messages: readonly StoredMessage[], tools: readonly ToolSpec[]): Map<number, string> {
  const readonly = new Set(tools.flatMap(({ name, hints }) => (hints?.readonly === true ? [name] : [])));
  const notices = new Map<number, string>();
  let seen = new Sightings();
  for (const batch of callBatches(messages)) {
    if (batch.isFirstOfTurn) seen = new Sightings();
    const found = seen.take(batch, readonly);
    if (found !== null) notices.set(batch.end, TEXTS[found.what](found.times));
  }
  return notices;
}

/** What a turn has looked at since it last changed something. */
class Sightings {
  #exploring = 0;
  readonly #times = new Map<string, number>();
  readonly #results = new Map<string, string>();

  take(batch: CallBatch, readonly: ReadonlySet<string>): { what: Standstill; times: number } | null {
    const found: { what: Standstill; times: number }[] = [];
    const note = (what: Standstill, times: number): void => {
      if (times > 0 && times % PROGRESS_LIMITS[what] === 0) found.push({ what, times });
    };
    for (const { call, result } of batch.calls) {
      if (!readonly.has(call.name)) {
        this.#exploring = 0;
        this.#times.clear();
        this.#results.clear();
        continue;
      }
      note('exploring', ++this.#exploring);
      if (result === undefined) continue;
      const key = callFingerprint(call);
      const outcome = resultFingerprint(result);
      const hasChanged = this.#results.has(key) && this.#results.get(key) !== outcome;
      this.#results.set(key, outcome);
      if (hasChanged) note('polling', this.#count(`polling:${key}`) + 1);
      else if (SEARCH_NAME.test(call.name)) note('searching', this.#count(`searching:${key}`));
      else if (READ_NAME.test(call.name)) note('rereading', this.#count(`rereading:${key}`));
    }
    return found[0] ?? null;
  }

  #count(key: string): number {
    const times = (this.#times.get(key) ?? 0) + 1;
    this.#times.set(key, times);
    return times;
  }
}
