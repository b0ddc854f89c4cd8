import type { InStepEvent } from '@everruns/contract';
import type { Clock } from '../clock.ts';
import type { StepSink, TextDelta } from '../step.ts';
import { DeltaStream } from './delta-stream.ts';

/** Events wait this long for company: a step that ends within it commits them with its completion, without a transaction of their own. */
export const HOLD_MS = 5;

/**
 * What a step shows while it runs. Events are held for 5 ms and appended together; text that follows an event waits for it, so nobody sees
 * a delta of a message that has not started.
 */
export class StepOutput {
  readonly #sink: StepSink;
  readonly #clock: Clock;
  readonly #streams: Record<TextDelta['stream'], DeltaStream>;
  #pending: InStepEvent[] = [];
  #cancelHold: (() => void) | null = null;

  constructor(sink: StepSink, clock: Clock, messageId: string) {
    this.#sink = sink;
    this.#clock = clock;
    const streamTo = (stream: TextDelta['stream']) =>
      new DeltaStream(clock, (offset, text) => sink.delta({ stream, messageId, offset, text }));
    this.#streams = { output: streamTo('output'), thinking: streamTo('thinking') };
  }

  record(event: InStepEvent): void {
    this.#pending.push(event);
    this.#hold();
  }

  /** An event that nobody waits for: it goes along with the next one. */
  attach(event: InStepEvent): void {
    this.#pending.push(event);
  }

  write(stream: TextDelta['stream'], text: string): void {
    this.#streams[stream].push(text);
    if (this.#pending.length > 0) this.#hold();
    else this.#streams[stream].pump();
  }

  /** Records the event that begins a text; its first delta has offset 0 again. */
  begin(stream: TextDelta['stream'], event: InStepEvent): void {
    this.#streams[stream].restart();
    this.record(event);
  }

  /** Ends a stream's batch early, because an event about it follows. */
  flush(stream: TextDelta['stream']): void {
    if (this.#pending.length === 0) this.#streams[stream].flush();
  }

  /**
   * Ends the step: sends the text that is left and gives back the events that were not appended. Text behind such events is not sent; the
   * completion carries it.
   */
  finish(): InStepEvent[] {
    this.#cancelHold?.();
    this.#cancelHold = null;
    const unsent = this.#pending;
    this.#pending = [];
    for (const stream of Object.values(this.#streams)) {
      if (unsent.length === 0) stream.flush();
      else stream.stop();
    }
    return unsent;
  }

  #hold(): void {
    this.#cancelHold ??= this.#clock.after(HOLD_MS, () => {
      this.#cancelHold = null;
      this.#sink.append(this.#pending);
      this.#pending = [];
      this.#streams.thinking.pump();
      this.#streams.output.pump();
    });
  }
}
