import { setTimeout as sleep } from 'node:timers/promises';
import { parseFrames } from './sse-frames.ts';
import type { StreamedEvent } from './record.ts';

type Frame = Extract<StreamedEvent, { kind: 'event' }>;

export interface StreamCapture {
  /** All frames so far, over all connections. */
  readonly seen: readonly StreamedEvent[];
  /** Resolves with the first event that passes, also one that came before; null when none has come within `waitMs`. */
  first(passes: (event: Frame) => boolean, waitMs: number): Promise<Frame | null>;
  close(): Promise<void>;
}

const RECONNECT_MS = 50;

/** Where the connections go: asked before each, and told when one has broken. */
export interface StreamSource {
  url(): string;
  leave?(url: string): void;
}

/** Watches a session's stream from its first event, and resumes by the id of whatever came last, as the official clients do. */
export function captureStream(source: StreamSource, sessionId: string): StreamCapture {
  return new Capture(source, sessionId);
}

class Capture implements StreamCapture {
  readonly seen: StreamedEvent[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #lastId: string | null = null;

  constructor(source: StreamSource, sessionId: string) {
    this.#done = this.#run(source, sessionId);
  }

  async first(passes: (event: Frame) => boolean, waitMs: number): Promise<Frame | null> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      const found = this.seen.find((entry): entry is Frame => entry.kind === 'event' && passes(entry));
      const leftMs = deadline - performance.now();
      if (found !== undefined || leftMs <= 0) return found ?? null;
      await this.#next(leftMs);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  #next(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(finish);
        resolve();
      };
      const timer = setTimeout(finish, waitMs);
      this.#waiting.add(finish);
    });
  }

  async #run(source: StreamSource, sessionId: string): Promise<void> {
    for (let connection = 1; !this.#stop.signal.aborted; connection++) {
      if (connection > 1) {
        this.seen.push({ kind: 'reconnected' });
        await sleep(RECONNECT_MS);
      }
      const cursor = this.#lastId === null ? 'after_sequence=0' : `since_id=${this.#lastId}`;
      const url = source.url();
      await this.#read(`${url}/api/v1/sessions/${sessionId}/sse?${cursor}`).catch(() => undefined); // broken: the next connection resumes
      source.leave?.(url);
    }
  }

  async #read(url: string): Promise<void> {
    const answer = await fetch(url, { signal: this.#stop.signal });
    if (answer.body === null) return;
    if (!answer.ok) return answer.body.cancel();
    for await (const frame of parseFrames(answer.body)) {
      if (!('id' in frame) || !('type' in frame)) continue; // connected, disconnecting
      this.#lastId = String(frame['id']);
      this.seen.push({ ...(frame as Omit<Frame, 'kind' | 'receivedMs'>), kind: 'event', receivedMs: Date.now() });
      for (const finish of this.#waiting) finish();
    }
  }
}
