import { TURN_END_TYPES } from '@everruns/contract';

/**
 * Which texts are open at a point of the log. A text (an output message, or an episode of thinking) is named by the sequence of its
 * `...started` event; it ends with its `...completed` event, when the model's whole answer is committed (`llm.generation`, which comes before
 * that), when its step starts again, or with its turn.
 */
export interface OpenText {
  startedSequence: number;
  /** Public id of the message; null for thinking, whose events name none. */
  messageId: string | null;
  /** Attempt of the step that writes it; null when the log does not say. */
  attempt: number | null;
  /** Of thinking that interrupts an output message: how much of that message comes before it. */
  outputOffset: number | null;
}

export interface OpenTexts {
  attempt: number | null;
  output: OpenText | null;
  thinking: OpenText | null;
}

/** What of an event bears on open texts. */
export interface TextMark {
  sequence: number;
  type: string;
  messageId: string | null;
  attempt: number | null;
  outputOffset: number | null;
}

export const NO_OPEN_TEXTS: OpenTexts = { attempt: null, output: null, thinking: null };

const TURN_ENDS: ReadonlySet<string> = new Set<string>(TURN_END_TYPES);

export const TEXT_MARK_TYPES: readonly string[] = [
  'output.message.started',
  'output.message.completed',
  'output.message.replaced',
  'reason.thinking.started',
  'reason.thinking.completed',
  'reason.started',
  'reason.recovered',
  'llm.generation',
  ...TURN_END_TYPES,
];

const MARKS: ReadonlySet<string> = new Set(TEXT_MARK_TYPES);

export function isTextMark(type: string): boolean {
  return MARKS.has(type);
}

export function foldTextMark(open: OpenTexts, mark: TextMark): OpenTexts {
  switch (mark.type) {
    case 'output.message.started':
      return { ...open, output: { startedSequence: mark.sequence, messageId: mark.messageId, attempt: open.attempt, outputOffset: null } };
    case 'reason.thinking.started':
      return {
        ...open,
        thinking: { startedSequence: mark.sequence, messageId: null, attempt: open.attempt, outputOffset: mark.outputOffset },
      };
    case 'output.message.completed':
      // A notice of ours has a message id of its own and closes nothing.
      return open.output !== null && open.output.messageId === mark.messageId ? { ...open, output: null } : open;
    case 'output.message.replaced':
      return { ...open, output: null };
    case 'reason.thinking.completed':
      return { ...open, thinking: null };
    case 'llm.generation':
      // Streams have told all of the text before this event: who comes back from here or later is owed nothing.
      return { ...open, output: null, thinking: null };
    case 'reason.started':
    case 'reason.recovered':
      return { attempt: mark.attempt, output: null, thinking: null };
    default:
      return TURN_ENDS.has(mark.type) ? NO_OPEN_TEXTS : open;
  }
}
