import { createCapabilityRegistry } from '@everruns/agent/capability';
import { expect, it } from 'vitest';
import { announcedCapabilities, withAnnounced } from './announced.ts';
import { builtInCapabilities } from './index.ts';

it('an implemented capability takes the place of its announcement, and everything else is coming soon or retired', () => {
  const all = createCapabilityRegistry(withAnnounced(builtInCapabilities)).list();
  const ids = new Set(builtInCapabilities.map(({ info }) => info.id));
  for (const { info } of all) {
    expect([info.id, ids.has(info.id)]).toEqual([info.id, info.status === 'available' || info.status === 'deprecated']);
  }
});

it('an announcement contributes nothing', async () => {
  for (const capability of announcedCapabilities) {
    expect(await capability.resolve({}, { session_id: 's', org_id: 'o' })).toEqual({ tools: [] });
  }
});
