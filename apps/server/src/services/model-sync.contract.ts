import { PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testApp, textOf } from '../http/testing/test-app.ts';
import type { TestApp } from '../http/testing/test-app.ts';
import { startModelSync } from './model-sync.ts';

let app: TestApp;
beforeAll(async () => {
  app = await testApp();
});
afterAll(() => app.close());

const HOUR_MS = 3_600_000;
let made = 0;

/** A provider that was made, or synchronised, so many hours ago. */
async function provider(hoursAgo: number, more: Record<string, unknown> = {}): Promise<string> {
  const body = { name: `p ${++made}`, provider_type: 'openai', api_key: 'sk-x', ...more };
  const id = textOf((await app.call('POST', '/v1/providers', body)).json['id']);
  const text = `update providers set created_at = clock_timestamp() - $2::int * interval '1 hour' where public_id('provider', id) = $1`;
  await app.db.run({ name: 'test_age', text }, [id, hoursAgo]);
  return id;
}

const publicId = (id: Uuid): string => `provider_${id.replaceAll('-', '')}`;

test('vendors that have not been looked at for long enough are, in their order; a failure keeps none of the others', async () => {
  await provider(23);
  await provider(99, { base_url: 'http://localhost:11434' });
  await provider(99, { api_key: undefined });
  await provider(99, { provider_type: 'llmsim' });
  const [second, first] = [await provider(25), await provider(40)];
  const asked: string[] = [];
  let nowMs = 0;
  const warnings: unknown[] = [];
  const log = { info: () => undefined, error: () => undefined, warn: (fields: unknown) => void warnings.push(fields) };
  const catalogues = {
    syncOf: (_org: Uuid, id: Uuid) => {
      asked.push(publicId(id));
      return Promise.reject(new PlatformError('provider_unavailable', 'No.'));
    },
  };
  const sync = startModelSync({ db: app.db, catalogues, log, everyHours: 24, nowMs: () => nowMs });
  await sync.round();
  expect(asked).toEqual([first, second]);
  expect(warnings).toMatchObject([{ code: 'provider_unavailable' }, { code: 'provider_unavailable' }]);
  nowMs += 23 * HOUR_MS;
  await sync.round();
  expect(asked).toHaveLength(2);
  nowMs += HOUR_MS;
  await sync.round();
  expect(asked).toEqual([first, second, first, second]);
  await sync.stop();
  nowMs += 24 * HOUR_MS;
  await sync.round();
  expect(asked).toHaveLength(4);
});
