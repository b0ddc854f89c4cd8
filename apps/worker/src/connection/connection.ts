import { sleep, type Clock } from '@everruns/agent/clock';
import type { OpenLink, WorkerLink } from '@everruns/contract';
import type { Beat, CallReply, CallRequest, Hello, ServerMessage, Welcome, WorkerMessage } from '@everruns/contract/generated/worker';
import { LinkRefused } from '../links/link-refused.ts';
import type { WorkerLog } from '../log.ts';
import { reconnectDelayMs } from './reconnect-delay.ts';

export interface ConnectionDeps {
  openLink: OpenLink;
  clock: Clock;
  random: () => number;
  log: WorkerLog;
  /** Milliseconds from the start within which the first attachment must succeed. */
  connectTimeoutMs: number;
  hello(): Hello;
  /** Attached: what was said while there was no connection can be said now. */
  welcomed(welcome: Welcome): void;
  received(message: ServerKind): void;
  beat(n: number): Beat;
}

export type WorkerKind = NonNullable<WorkerMessage['kind']>;
export type ServerKind = NonNullable<ServerMessage['kind']>;

/** The control plane could not be reached, or refused this worker, before it ever was attached. */
export class NeverAttached extends Error {
  override readonly name = 'NeverAttached';
}

const BEAT_MS = 1_000;
/** From the attempt to the control plane's answer. */
const WELCOME_WITHIN_MS = 5_000;
/** A control plane answers each beat; one that says nothing for so many of them is given up. */
const MAX_SILENT_BEATS = 5;
const CLOSE_WITHIN_MS = 1_500;
/** Between a call without a reply and its repetition. */
const ASK_AGAIN_MS = 100;

/** Keeps the worker attached: one link at a time, again at once when it breaks, then with back-off. */
export class Connection {
  readonly #deps: ConnectionDeps;
  readonly #closing = new AbortController();
  #link: WorkerLink | null = null;
  #cut: AbortController | null = null;
  #ended: Promise<void> = Promise.resolve();
  /** Calls that wait for a link. */
  readonly #waiting = new Set<() => void>();
  #everAttached = false;
  #silentBeats = 0;
  #beats = 0;

  constructor(deps: ConnectionDeps) {
    this.#deps = deps;
  }

  /** Settles after `close`. Rejects with `NeverAttached` when the first attachment does not come about. */
  run(): Promise<void> {
    this.#ended = this.#run();
    return this.#ended;
  }

  /** Says something to the control plane; dropped while there is none. */
  send(kind: WorkerKind): void {
    this.#link?.send({ kind });
  }

  /**
   * Asks for something in the name of a lease, again on each new link until there is a reply: every op can be repeated. Rejects only with the
   * signal's reason.
   */
  async call(request: CallRequest, signal: AbortSignal): Promise<CallReply> {
    for (;;) {
      const link = await this.#attached(signal);
      try {
        return await link.call(request, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#deps.log.warn({ op: request.op, cause: error instanceof Error ? error.message : String(error) }, 'no reply, asking again');
        await sleep(this.#deps.clock, ASK_AGAIN_MS, signal);
      }
    }
  }

  /** The link, now or when there is one. */
  #attached(signal: AbortSignal): Promise<WorkerLink> {
    if (this.#link !== null) return Promise.resolve(this.#link);
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#waiting.delete(settle);
        signal.removeEventListener('abort', settle);
        if (this.#link !== null) resolve(this.#link);
        else reject(signal.reason as Error);
      };
      this.#waiting.add(settle);
      signal.addEventListener('abort', settle, { once: true });
      if (signal.aborted) settle();
    });
  }

  /** Ends in order: what was said arrives, unless the control plane does not take it in time. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('closing'));
    this.#link?.close();
    if (this.#link === null) this.#cut?.abort(new Error('closing'));
    const cancel = this.#deps.clock.after(CLOSE_WITHIN_MS, () => this.#cut?.abort(new Error('closing')));
    await this.#ended.catch(() => undefined);
    cancel();
  }

  async #run(): Promise<void> {
    const { clock, connectTimeoutMs, random, log } = this.#deps;
    const startedMs = clock.nowMs();
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      const { wasAttached, error } = await this.#attach();
      if (this.#closing.signal.aborted) return;
      failures = wasAttached ? 0 : failures + 1;
      const cause = error instanceof Error ? error.message : 'the stream ended';
      if (wasAttached) log.warn({ cause }, 'lost the control plane, attaching again');
      if (!this.#everAttached) {
        if (error instanceof LinkRefused) throw new NeverAttached(`The control plane refused this worker: ${cause}`);
        if (clock.nowMs() - startedMs >= connectTimeoutMs) {
          throw new NeverAttached(`No control plane within ${connectTimeoutMs / 1_000} s: ${cause}`);
        }
        if (failures === 1) log.warn({ cause }, 'waiting for the control plane');
      } else if (error instanceof LinkRefused && failures === 1) {
        log.error({ cause }, 'the control plane refuses this worker');
      }
      const delayMs = reconnectDelayMs(failures, random);
      if (delayMs > 0) await sleep(clock, delayMs, this.#closing.signal).catch(() => undefined);
    }
  }

  /** One link from its opening to its end. */
  async #attach(): Promise<{ wasAttached: boolean; error?: unknown }> {
    const cut = new AbortController();
    this.#cut = cut;
    const cancelTimeout = this.#deps.clock.after(WELCOME_WITHIN_MS, () => cut.abort(new Error('the control plane does not answer')));
    const stopped = new Promise<never>((_, reject) => {
      cut.signal.addEventListener('abort', () => reject(cut.signal.reason as Error), { once: true });
    });
    let link: WorkerLink | undefined;
    const state = { wasAttached: false };
    try {
      const opening = this.#deps.openLink(cut.signal);
      opening.then(
        (late) => cut.signal.aborted && late.close(),
        () => undefined,
      );
      link = await Promise.race([opening, stopped]);
      link.send({ kind: { $case: 'hello', value: this.#deps.hello() } });
      const reading = this.#read(link, cut, () => {
        state.wasAttached = true;
        cancelTimeout();
      });
      reading.catch(() => undefined);
      // A link that does not end when it is cut must not keep the worker from attaching elsewhere.
      await Promise.race([reading, stopped]);
      return state;
    } catch (error) {
      return { ...state, error: cut.signal.aborted ? cut.signal.reason : error };
    } finally {
      stopped.catch(() => undefined);
      cancelTimeout();
      this.#link = null;
      link?.close();
      cut.abort(new Error('ended'));
    }
  }

  async #read(link: WorkerLink, cut: AbortController, attached: () => void): Promise<void> {
    let stopBeats: (() => void) | null = null;
    try {
      for await (const { kind } of link.receive) {
        if (cut.signal.aborted) return;
        if (kind === undefined) continue;
        this.#silentBeats = 0;
        if (kind.$case === 'welcome') {
          attached();
          this.#everAttached = true;
          this.#link = link;
          this.#deps.log.info({ instance: kind.value.instanceId, held: kind.value.held.length, lost: kind.value.lost.length }, 'attached');
          this.#deps.welcomed(kind.value);
          for (const settle of this.#waiting) settle();
          stopBeats ??= this.#startBeats(cut);
        } else if (this.#link === link && kind.$case !== 'pulse') {
          this.#deps.received(kind);
        }
      }
    } finally {
      stopBeats?.();
    }
  }

  /**
   * Counts beats, not time: a worker that was stopped for a while gets all that was waiting for it before the next beat, and must not take
   * its own silence for the other's.
   */
  #startBeats(cut: AbortController): () => void {
    let cancel: () => void;
    const beat = () => {
      this.#silentBeats += 1;
      if (this.#silentBeats > MAX_SILENT_BEATS) return cut.abort(new Error('the control plane fell silent'));
      this.send({ $case: 'beat', value: this.#deps.beat(++this.#beats) });
      cancel = this.#deps.clock.after(BEAT_MS, beat);
    };
    cancel = this.#deps.clock.after(BEAT_MS, beat);
    return () => cancel();
  }
}
