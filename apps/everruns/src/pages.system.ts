import { existsSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { preparePages } from './pages.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Compressed script that is loaded before the first page shows. */
const FIRST_LOAD_BYTES = 250_000;

test('the management pages are built once for their sources, and their first load is small', async () => {
  const pages = preparePages(ROOT, process.env);
  if (pages === null) throw new Error('There is nothing to build the pages with.');
  await rm(join(pages.directory, 'index.html'), { force: true });
  const { signal } = new AbortController();
  await pages.build(signal);
  const path = join(pages.directory, 'index.html');
  const builtAt = (await stat(path)).mtimeMs;
  await pages.build(signal);
  expect((await stat(path)).mtimeMs).toBe(builtAt);
  expect(preparePages(ROOT, process.env)?.directory).toBe(pages.directory);

  const named = [...(await readFile(path, 'utf8')).matchAll(/(?:src|href)="(\/[^"]+\.(?:js|css))"/g)].map(([, file]) => file ?? '');
  expect(named.every((file) => existsSync(join(pages.directory, file)))).toBe(true);
  const scripts = named.filter((file) => file.endsWith('.js'));
  const sizes = await Promise.all(scripts.map(async (file) => gzipSync(await readFile(join(pages.directory, file))).length));
  expect(scripts.length).toBeGreaterThan(0);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_LOAD_BYTES);
  console.log(`first load: ${sizes.reduce((sum, size) => sum + size, 0)} bytes of compressed script`);
});

test('a checkout without a builder has no pages, and no harm comes of it', () => {
  expect(preparePages(join(ROOT, 'docs'), process.env)).toBeNull();
});
