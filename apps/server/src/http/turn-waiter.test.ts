import { expect, test } from 'vitest';
import type { TurnEnd } from '../stream/port.ts';
import { waitThroughStreams } from './turn-waiter.ts';

const SCOPE = { orgId: '', userId: '', permissions: new Set<never>() };
const failed: TurnEnd = { status: 'failed', type: 'turn.failed', turnId: '', messages: [] };

test.each<[string, TurnEnd | null, object]>([
  ['the time is up', null, { status: 'running' }],
  ['completed', { ...failed, status: 'completed', type: 'turn.completed' }, { status: 'completed' }],
  [
    'failed for a known reason',
    { ...failed, error: 'No key.', errorCode: 'provider_misconfigured' },
    { status: 'failed', error: { code: 'provider_misconfigured', message: 'No key.' } },
  ],
  ['failed without one', { ...failed, error: 'x' }, { status: 'failed', error: { code: 'turn_failed', message: 'x' } }],
  [
    'cancelled',
    { ...failed, type: 'turn.cancelled' },
    { status: 'failed', error: { code: 'turn_cancelled', message: 'The turn ended with turn.cancelled.' } },
  ],
])('a turn that was waited for: %s', async (_name, end, outcome) => {
  const waiter = waitThroughStreams({ openTurnWait: async () => ({ ended: async () => end, close: () => undefined }) });
  const wait = await waiter.open(SCOPE, '');
  expect(await wait.ended({ sequence: 1, timeoutMs: 1, signal: new AbortController().signal })).toEqual(outcome);
});
