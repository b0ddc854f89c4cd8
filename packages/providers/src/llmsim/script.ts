import { ModelError, type ModelRequest } from '@everruns/agent/model';
import { parseSimScript, type SimScript, type SimTurn } from './config.ts';
import { answersAfter, textOf } from './request.ts';

export interface ScriptedTurn {
  turn: SimTurn;
  /** Zero-based number of the turn in its script. */
  index: number;
  /** Position of the message that the script stands in; -1 for one out of the configuration. */
  anchor: number;
}

const BLOCK = /```llmsim[^\S\n]*\n([\s\S]*?)\n?[^\S\n]*```/;

/**
 * The turn that a script inside the conversation asks for: the last user message with an `llmsim` block holds it, and the answers since
 * then say which one is next. No state is kept, so it goes on after a crash, on any worker. Undefined without such a message.
 */
export function turnInConversation(request: ModelRequest): ScriptedTurn | undefined {
  const anchor = request.messages.findLastIndex((message) => message.role === 'user' && BLOCK.test(textOf(message)));
  const source = BLOCK.exec(textOf(request.messages[anchor]))?.[1];
  if (source === undefined) return undefined;
  const index = answersAfter(request, anchor);
  return { turn: turnAt(parseSimScript(source), index), index, anchor };
}

/** The turn of a script out of the provider's options: counted over the whole session. */
export function turnInScript(script: SimScript, request: ModelRequest): ScriptedTurn {
  const index = answersAfter(request, -1);
  return { turn: turnAt(script, index), index, anchor: -1 };
}

function turnAt({ turns, on_exhausted: onExhausted }: SimScript, index: number): SimTurn {
  const turn =
    turns[index] ?? (onExhausted === 'loop' ? turns[index % turns.length] : onExhausted === 'repeat_last' ? turns.at(-1) : undefined);
  if (turn === undefined) throw new ModelError('invalid_request', `The llmsim script has no turn ${index + 1}.`);
  return turn;
}
