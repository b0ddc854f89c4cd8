import type { NetworkAccess } from '@everruns/agent/config/network-access';
import type { OutboundAccess } from '@everruns/agent/capability';
import type { Outbound } from '@everruns/outbound';

/** What a tool call may reach. */
export function outboundAccess(outbound: Outbound, access: NetworkAccess | undefined): OutboundAccess {
  return {
    fetch(url, { firstByteMs, ...init } = {}) {
      const fetch = outbound.fetch({ kind: 'fetch', access, redirects: 'follow', ...(firstByteMs !== undefined && { firstByteMs }) });
      return fetch(url, init);
    },
  };
}

const MCP_TOTAL_MS = 90_000;
const MCP_MAX_BYTES = 4 * 1_048_576;

/** How MCP servers are reached. Their requests carry secrets, so redirects stay within one site. */
export function outboundForMcp(outbound: Outbound, access: NetworkAccess | undefined): typeof globalThis.fetch {
  return outbound.fetch({ kind: 'mcp', access, redirects: 'same-origin', totalMs: MCP_TOTAL_MS, maxBytes: MCP_MAX_BYTES });
}
