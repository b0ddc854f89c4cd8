import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterServer, ClusterWorker } from '../cluster.ts';

const POLL_MS = 10;
const GATHER_MS = 10_000;

/** The server that a client talks to: it stays with one, and goes to the next when that one does not answer. */
export class Entrance {
  readonly #servers: readonly Pick<ClusterServer, 'url'>[];
  readonly #workers: readonly Pick<ClusterWorker, 'links'>[];
  #at = 0;

  constructor({ servers, workers }: { servers: readonly Pick<ClusterServer, 'url'>[]; workers: readonly Pick<ClusterWorker, 'links'>[] }) {
    this.#servers = servers;
    this.#workers = workers;
  }

  /** Position of the present one. */
  get at(): number {
    return this.#at;
  }

  get url(): string {
    return (this.#servers[this.#at] as Pick<ClusterServer, 'url'>).url;
  }

  /** The server with this address did not answer. Whoever hears it second finds that the client is elsewhere already. */
  leave(url: string): void {
    if (url === this.url) this.#at = (this.#at + 1) % this.#servers.length;
  }

  /** Brings all workers to one server, and the client to the next one, if there is one: what the workers do then comes over to it. */
  async awayFromWorkers(): Promise<void> {
    const attached = (at: number): number => this.#workers.filter(({ links }) => links[at]?.attached === true).length;
    const connected = this.#servers.map((_, at) => attached(at));
    const crowd = connected.indexOf(Math.max(...connected));
    this.#at = (crowd + 1) % this.#servers.length;
    const others = this.#workers.flatMap(({ links }) => links.filter((_, at) => at !== crowd));
    for (const link of others) link.refuse(true);
    for (let waitedMs = 0; attached(crowd) < this.#workers.length && waitedMs < GATHER_MS; waitedMs += POLL_MS) await sleep(POLL_MS);
    for (const link of others) link.refuse(false);
  }
}
