import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { MUTANTS, plant } from './mutants.ts';

const CORE = join(dirname(createRequire(import.meta.url).resolve('@everruns/storage')), 'core');
let sources: string;

beforeAll(async () => {
  const files = (await readdir(CORE)).filter((name) => name.endsWith('.ts'));
  sources = (await Promise.all(files.map((name) => readFile(join(CORE, name), 'utf8')))).join('\n');
});

describe('the planted faults', () => {
  it.each(MUTANTS.map((mutant) => [mutant.id, mutant] as const))('%s changes what storage says', (_, mutant) => {
    expect(sources.replace(...mutant.change)).not.toBe(sources);
  });

  it('touch no other statement', () => {
    const planted = plant({ ...(MUTANTS[0] as (typeof MUTANTS)[number]), statements: /^mine$/, change: ['one', 'two'] });
    expect(planted.rewrite({ name: 'another', text: 'one' })).toBe('one');
    expect(planted.applied()).toBe(false);
    expect(planted.rewrite({ name: 'mine', text: 'one' })).toBe('two');
    expect(planted.applied()).toBe(true);
  });
});
