import type { OpenLink, WorkerLink } from '@everruns/contract';
import type { CallReply, CallRequest, ServerMessage, WorkerMessage } from '@everruns/contract/generated/worker';

export type WorkerKind = NonNullable<WorkerMessage['kind']>;
export type ServerKind = NonNullable<ServerMessage['kind']>;

/** `lose`: the worker is gone before this message leaves, or arrives. `deliver_and_lose`: right after it. */
export type Fate = 'deliver' | 'lose' | 'deliver_and_lose';

export interface LinkHooks {
  toServer?(message: WorkerKind): Fate;
  toWorker?(message: ServerKind): Fate;
  /** A call of the worker is about to leave. `pass` delivers it, however late, and whatever has become of the worker; null leaves it alone. */
  toCall?(request: CallRequest, pass: () => Promise<CallReply>): Promise<CallReply> | null;
}

/**
 * A worker's way to its control plane that can break for good. What is behind it may live on, like a process that was cut off; for the
 * control plane it is dead.
 */
export class KillableLink {
  isDead = false;
  readonly open: OpenLink;
  readonly #hooks: LinkHooks;
  readonly #dying = new AbortController();

  constructor(open: OpenLink, hooks: LinkHooks = {}) {
    this.#hooks = hooks;
    this.open = async (signal) => {
      if (this.isDead) return untilAborted(signal);
      return this.#wrap(await open(AbortSignal.any([signal, this.#dying.signal])));
    };
  }

  kill(): void {
    this.isDead = true;
    this.#dying.abort(new Error('killed'));
  }

  #wrap(link: WorkerLink): WorkerLink {
    const kill = (): void => {
      this.kill();
      link.close();
    };
    this.#dying.signal.addEventListener('abort', () => link.close(), { once: true });
    return {
      send: (message) => {
        if (this.isDead) return;
        const fate = message.kind === undefined ? 'deliver' : (this.#hooks.toServer?.(message.kind) ?? 'deliver');
        if (fate === 'lose') return kill();
        link.send(message);
        if (fate === 'deliver_and_lose') this.#killAfterDelivery(link);
      },
      receive: this.#receive(link, kill),
      call: (request, signal) => {
        if (this.isDead) return untilAborted(signal);
        return this.#hooks.toCall?.(request, () => link.call(request, signal)) ?? link.call(request, signal);
      },
      close: () => link.close(),
    };
  }

  /** What was sent is still heard; nothing is said or heard after it. */
  #killAfterDelivery(link: WorkerLink): void {
    this.isDead = true;
    link.close();
    setImmediate(() => this.kill());
  }

  async *#receive(link: WorkerLink, kill: () => void): AsyncGenerator<ServerMessage> {
    for await (const message of link.receive) {
      if (this.isDead) return;
      const fate = message.kind === undefined ? 'deliver' : (this.#hooks.toWorker?.(message.kind) ?? 'deliver');
      if (fate === 'lose') return kill();
      if (fate === 'deliver_and_lose') kill();
      yield message;
    }
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
