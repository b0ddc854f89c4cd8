import { toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { Plan, TaskError, TaskOptions } from '../plan.ts';
import { planOf, reasonTask } from './decide.ts';
import type { DecideContext } from './decide.ts';
import { draft, turnContext } from './session-events.ts';
import type { TurnState } from './state.ts';

export interface Revival {
  turnId: Uuid;
  options: TaskOptions;
  /** What the attempts before died of; kept with the task. */
  errors: TaskError[];
}

/**
 * A turn that died runs again as a new turn over the same input, from the step that it died in. The old turn's end stays the end of the old
 * turn; what it had reached (iterations, usage, the messages in the log) is where the new one begins.
 */
export function decideRevival(ended: TurnState, revival: Revival, ctx: DecideContext): Plan {
  const { act: _act, ...kept } = ended;
  const state: TurnState = {
    ...kept,
    turn_id: revival.turnId,
    phase: 'reasoning',
    step: { exec_id: ctx.ids.next(), message_id: ctx.ids.random() },
    started_ms: ctx.nowMs,
    calls: [],
  };
  const base = planOf(state, [{ type: 'turn_started', data: state }], {});
  const task = reasonTask(state, ctx);
  const turn = toPublicId('turn', revival.turnId);
  const input = { turn_id: turn, input_message_id: state.input_message_id };
  return {
    ...base,
    status: 'running',
    head: 'active',
    events: [
      draft('turn.started', turnContext(state), {
        ...input,
        input_content: state.input_preview,
        revived_turn_id: toPublicId('turn', ended.turn_id),
      }),
      draft('session.activated', turnContext(state), input),
    ],
    tasks: [{ ...task, payload: { ...task.payload, options: revival.options, errors: revival.errors } }],
  };
}
