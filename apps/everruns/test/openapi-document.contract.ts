import { expect, test } from 'vitest';
import { compose } from './conversations/composition.ts';

/** `npm run generate` writes it anew, and the client's types from it. */
test('the API document that the client is made from is the one that is served', async () => {
  const composition = await compose({ workers: 0 });
  try {
    const root = composition.api.url.replace(/\/api$/, '');
    const served = (await (await fetch(`${root}/api-doc/openapi.json`)).json()) as object;
    await expect(`${JSON.stringify(served, null, 1)}\n`).toMatchFileSnapshot('../../../packages/client/openapi.json');
  } finally {
    await composition.close();
  }
});
