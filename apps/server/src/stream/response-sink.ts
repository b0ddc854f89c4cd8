import type { ServerResponse } from 'node:http';
import type { Sink } from './sse-stream.ts';

/** The frames of a stream as the body of an HTTP response. */
export class ResponseSink implements Sink {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get bufferedBytes(): number {
    return this.#response.writableLength;
  }

  /** The socket knows; the response itself does not when its writes were batched. */
  get needsDrain(): boolean {
    return this.#response.socket?.writableNeedDrain === true;
  }

  write(chunk: Buffer): void {
    if (!this.#response.destroyed) this.#response.write(chunk);
  }

  batch(work: () => void): void {
    this.#response.cork();
    try {
      work();
    } finally {
      this.#response.uncork();
    }
  }

  end(): void {
    if (!this.#response.destroyed) this.#response.end();
  }

  destroy(): void {
    this.#response.destroy();
  }
}
