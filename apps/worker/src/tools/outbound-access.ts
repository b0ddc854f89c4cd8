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
