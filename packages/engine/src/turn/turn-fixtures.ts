import type { IdSource, PlannedCall, ReasonOutcome, Uuid } from '@everruns/contract';
import type { Plan } from '../plan.ts';
import { decideReason, startTurn } from './decide.ts';
import type { DecideContext } from './decide.ts';
import type { OpenCall } from './end.ts';
import type { ModelFacts } from './session-events.ts';
import type { TurnState } from './state.ts';

/** Turns in any phase, for tests. */

/** Ids that count up: `next()` from the front, `random()` from the back, so that both halves differ from id to id. */
export function countingIds(): IdSource {
  let n = 0;
  const make = (version: string): Uuid => {
    n++;
    const hex = n.toString(16).padStart(8, '0');
    return `${hex}-0000-${version}000-8000-0000${hex}`;
  };
  return { next: () => make('7'), random: () => make('4') };
}

export const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
export const MODEL: ModelFacts = { model: 'sim-1', provider_type: 'llmsim', seen: 2 };

export function testContext(): DecideContext {
  return { nowMs: NOW_MS, ids: countingIds(), clientDeadlineMs: 60_000 };
}

export function call(id: string, parts: Partial<PlannedCall> = {}): PlannedCall {
  return { id, name: `tool_${id}`, arguments: { of: id }, side: 'server', effect: 'readonly', ...parts };
}

export function outcome(parts: Partial<ReasonOutcome> = {}): ReasonOutcome {
  return {
    kind: 'reason',
    success: true,
    events: [],
    text: 'Done.',
    calls: [],
    max_iterations: 10,
    duration_ms: 5,
    usage: { input_tokens: 10, output_tokens: 3 },
    answered: { seen: MODEL.seen, model: { provider_type: 'llmsim', model: 'sim-1' } },
    ...parts,
  };
}

export const FAILURE: Partial<ReasonOutcome> = {
  success: false,
  text: '',
  error: { code: 'provider_rate_limited', text: 'Too many requests.', disclosure: 'standard', detail: '429', provider_fault: true },
};

export function freshTurn(ctx: DecideContext): TurnState {
  return startTurn({ turnId: ctx.ids.next(), inputMessageId: `message_${'0'.repeat(32)}`, inputPreview: 'Hi' }, ctx).state;
}

/** A turn whose first step called these tools. */
export function turnWithCalls(
  calls: PlannedCall[],
  ctx: DecideContext,
  parts: Partial<ReasonOutcome> = {},
): { state: TurnState; plan: Plan } {
  const { plan } = decideReason(freshTurn(ctx), outcome({ calls, text: '', ...parts }), MODEL, ctx);
  return { state: plan.state as TurnState, plan };
}

export function plansOf(calls: readonly PlannedCall[]): ReadonlyMap<string, PlannedCall> {
  return new Map(calls.map((planned) => [planned.id, planned]));
}

export function openOf(calls: readonly PlannedCall[], state: OpenCall['state'] = 'pending'): OpenCall[] {
  return calls.map((plan) => ({ callId: plan.id, state, plan }));
}

export function types(plan: Plan): string[] {
  return plan.events.map((event) => event.type);
}
