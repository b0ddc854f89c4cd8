import type { DurableEvent, Message } from '@everruns/contract';
import { PlatformError, TURN_END_TYPES } from '@everruns/contract';
import type { HubSession, Watcher } from './hub-session.ts';
import { LogEntry } from './log-entry.ts';
import type { LogReader } from './log-port.ts';
import type { Hub } from './hub.ts';
import type { TurnEnd, TurnWait } from './port.ts';

const PAGE = { rows: 100, bytes: 262_144 };
const ENDS: ReadonlySet<string> = new Set<string>(TURN_END_TYPES);

export interface TurnWaitDeps {
  hub: Hub;
  log: LogReader;
  after: (delayMs: number, callback: () => void) => () => void;
}

/**
 * Follows a session until the turn that took up a message has ended: the first end after the message, because a message starts a turn or
 * steers the one that runs. Null when the time is up, or the caller has gone, before that.
 */
export async function waitForTurnEnd(
  deps: TurnWaitDeps,
  { session, probe }: { session: HubSession; probe: { isGone(): boolean } },
  wait: Pick<TurnWait, 'sequence' | 'timeoutMs' | 'signal'>,
): Promise<TurnEnd | null> {
  const watcher = new WaitingWatcher();
  session.watchers.add(watcher);
  watcher.isGone = probe.isGone();
  const stopTimer = deps.after(wait.timeoutMs, () => watcher.stop());
  const onAbort = (): void => watcher.stop();
  wait.signal?.addEventListener('abort', onAbort, { once: true });
  if (wait.signal?.aborted === true) watcher.stop();
  const messages: Message[] = [];
  try {
    for await (const entry of followed(deps, session, { watcher, after: wait.sequence })) {
      if (entry.type === 'output.message.completed') messages.push(entry.event.data['message'] as Message);
      if (ENDS.has(entry.type)) return endOf(entry.event, messages);
    }
    return null;
  } finally {
    stopTimer();
    wait.signal?.removeEventListener('abort', onAbort);
    deps.hub.unwatch(session, watcher);
  }
}

async function* followed(
  { hub, log }: TurnWaitDeps,
  session: HubSession,
  { watcher, after }: { watcher: WaitingWatcher; after: number },
): AsyncGenerator<LogEntry> {
  for (let served = after; !watcher.stopped;) {
    if (watcher.isGone) throw new PlatformError('not_found', 'The session was removed.');
    const next = hub.pull(session, served);
    if (next === 'caught_up' || next === 'waiting') {
      await watcher.woken();
      continue;
    }
    const entries =
      next === 'behind'
        ? (await log.page({ sessionId: session.id, orgId: session.orgId, after: served }, PAGE)).map((row) => LogEntry.fromRow(row))
        : [next];
    if (entries.length === 0) throw new PlatformError('not_found', 'The session was removed.');
    for (const entry of entries) {
      yield entry;
      served = entry.sequence;
    }
  }
}

class WaitingWatcher implements Watcher {
  stopped = false;
  isGone = false;
  #wake: (() => void) | null = null;
  #pending = false;

  woken(): Promise<void> {
    if (this.#pending || this.stopped || this.isGone) {
      this.#pending = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    if (this.#wake === null) this.#pending = true;
    this.#wake?.();
    this.#wake = null;
  }

  gone(): void {
    this.isGone = true;
    this.wake();
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }
}

function endOf(event: DurableEvent, messages: Message[]): TurnEnd {
  const { error, error_code: code, reason } = event.data;
  const text = error ?? reason;
  return {
    status: event.type === 'turn.completed' ? 'completed' : 'failed',
    type: event.type as TurnEnd['type'],
    turnId: event.context.turn_id ?? '',
    messages,
    ...(typeof text === 'string' ? { error: text } : {}),
    ...(typeof code === 'string' ? { errorCode: code } : {}),
  };
}
