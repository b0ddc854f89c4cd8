import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NetworkAccess } from '@everruns/agent/config/network-access';
import type { OutboundAccess } from '@everruns/agent/capability';
import { createOutbound, LOOPBACK_RULES, parseEgressAllow } from '@everruns/outbound';

/** Real sites and the real way to them, for tests. */
export class Sites {
  readonly #servers: Server[] = [];
  readonly #outbound = createOutbound({ allow: parseEgressAllow(LOOPBACK_RULES) });

  /** `http://127.0.0.1:port`. */
  async open(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  outbound(access?: NetworkAccess): OutboundAccess {
    return {
      fetch: (url, { firstByteMs = 1_000, ...init } = {}) =>
        this.#outbound.fetch({ kind: 'fetch', access, redirects: 'follow', firstByteMs })(url, init),
    };
  }

  async close(): Promise<void> {
    await this.#outbound.close();
    for (const server of this.#servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

/** Pages by path; a missing one is 404. */
export function pages(html: Record<string, string>): RequestListener {
  return (request, response) => {
    const page = html[request.url ?? '/'];
    response.writeHead(page === undefined ? 404 : 200, { 'content-type': 'text/html; charset=utf-8' }).end(page ?? '<h1>Not there</h1>');
  };
}
