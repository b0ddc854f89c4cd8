import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type ModelEndpoint, ModelError } from '@everruns/agent/model';
import { builtinDrivers } from './builtin.ts';
import { defineDriver, type ModelDriver } from './driver.ts';
import { loadDriverModules } from './modules.ts';
import { createModelRegistry } from './registry.ts';
import { attempt, requestOf, textOfParts, userSays } from './testing/collect.ts';

const EXAMPLE = fileURLToPath(new URL('../../../examples/custom-driver/driver.ts', import.meta.url));

function counting(id = 'counting'): ModelDriver & { created: ModelEndpoint[] } {
  const created: ModelEndpoint[] = [];
  const driver = defineDriver({
    id,
    create(endpoint) {
      created.push(endpoint);
      return { stream: async function* () {} };
    },
  });
  return { ...driver, created };
}

function misconfigured(open: () => unknown): string {
  try {
    open();
  } catch (error) {
    if (error instanceof ModelError && error.kind === 'misconfigured') return error.message;
    throw error;
  }
  throw new Error('It was opened.');
}

describe('a registry', () => {
  const registry = createModelRegistry({ drivers: builtinDrivers() });
  const key = { apiKey: 'sk-x', model: 'm' };

  it.each(['openai', 'openai_completions', 'openai_compatible', 'anthropic', 'google', 'gemini', 'llmsim'])('opens %s', (providerType) => {
    expect(registry.open({ providerType, ...key })).toHaveProperty('stream');
  });

  it.each(['openai', 'openai_completions', 'anthropic', 'google'])('calls %s without a key misconfigured', (providerType) => {
    expect(misconfigured(() => registry.open({ providerType, model: 'm' }))).toContain('no API key');
  });

  it('needs no key for a compatible server of one’s own', () => {
    expect(registry.open({ providerType: 'openai_compatible', model: 'm', baseUrl: 'http://127.0.0.1:11434' })).toBeDefined();
  });

  it('calls an unknown provider type misconfigured, and names the known ones', () => {
    expect(misconfigured(() => registry.open({ providerType: 'carrier_pigeon', ...key }))).toMatch(
      /carrier_pigeon.*openai, openai_completions/,
    );
  });

  it.each(['not an address', 'ftp://example.com', ''])('judges the address %j', (baseUrl) => {
    const open = () => registry.open({ providerType: 'anthropic', ...key, baseUrl });
    if (baseUrl === '') expect(open()).toBeDefined();
    else expect(misconfigured(open)).toContain('base_url');
  });

  it('keeps an opened model for the next call, and makes another for any difference', () => {
    const driver = counting();
    const registryOfOne = createModelRegistry({ drivers: [driver] });
    const open = (endpoint: ModelEndpoint) => registryOfOne.open(endpoint);
    const endpoint = { providerType: 'counting', model: 'm', apiKey: 'k', options: { a: 1 } };
    expect(open(endpoint)).toBe(open({ ...endpoint, options: { a: 1 } }));
    for (const other of [{ model: 'n' }, { apiKey: 'l' }, { baseUrl: 'http://x' }, { options: { a: 2 } }]) open({ ...endpoint, ...other });
    expect(driver.created).toHaveLength(5);
  });

  it('forgets the model that was not used for longest', () => {
    const driver = counting();
    const small = createModelRegistry({ drivers: [driver], capacity: 2 });
    for (const model of ['a', 'b', 'a', 'c', 'a', 'b']) small.open({ providerType: 'counting', model });
    expect(driver.created.map(({ model }) => model)).toEqual(['a', 'b', 'c', 'b']);
  });

  it('refuses two drivers with one id, and an id that is an alias', () => {
    expect(() => createModelRegistry({ drivers: [counting(), counting()] })).toThrow('Two model drivers');
    expect(() => createModelRegistry({ drivers: [counting('gemini')] })).toThrow('alias');
  });
});

describe('driver modules', () => {
  it('register a driver by its id: the example shouts back', async () => {
    const registry = createModelRegistry({ drivers: [...builtinDrivers(), ...(await loadDriverModules([EXAMPLE]))] });
    const model = registry.open({ providerType: 'shout', model: 'loud' });
    const { parts, error } = await attempt(model, requestOf([userSays('hello there')]));
    expect([textOfParts(parts), error]).toEqual(['HELLO THERE', undefined]);
  });

  it('are found relative to a directory, and may hold several drivers', async () => {
    const directory = fileURLToPath(new URL('.', import.meta.url));
    expect((await loadDriverModules(['./testing/two-drivers.ts'], directory)).map(({ id }) => id)).toEqual(['first', 'second']);
  });

  it.each<[string, RegExp]>([
    ['./driver.ts', /must export "driver" or "drivers"/],
    ['./does-not-exist.ts', /"\.\/does-not-exist\.ts" could not be loaded/],
  ])('%s is refused by name', async (specifier, message) => {
    await expect(loadDriverModules([specifier], fileURLToPath(new URL('.', import.meta.url)))).rejects.toThrow(message);
  });
});
