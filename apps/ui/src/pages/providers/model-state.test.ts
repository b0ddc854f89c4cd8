import { describe, expect, it } from 'vitest';
import { inOrder, nextStep, stateOf, tokens } from './model-state.ts';
import type { Model, Provider } from './queries.ts';

const model = (part: Partial<Model>): Model =>
  ({ id: 'm', display_name: 'M', provider_type: 'openai', healthy: true, enabled: true, ...part }) as Model;

describe('what is to be done next', () => {
  it.each([
    ['add-key', [], undefined],
    ['add-key', [model({ healthy: false })], 'm'],
    ['add-key', [model({ provider_type: 'llmsim' })], 'm'],
    ['choose-default', [model({})], undefined],
    ['choose-default', [model({})], 'gone'],
    ['nothing', [model({})], 'm'],
  ] as const)('%s', (expected, models, chosen) => {
    expect(nextStep(models, chosen)).toBe(expected);
  });
});

it('says what state a provider is in', () => {
  const state = (part: Partial<Provider>) =>
    stateOf({ status: 'active', provider_type: 'openai', api_key_set: false, ...part } as Provider).text;
  expect(state({})).toBe('no key');
  expect(state({ api_key_set: true })).toBe('key set');
  expect(state({ provider_type: 'llmsim' })).toBe('simulated');
  expect(state({ status: 'disabled', api_key_set: true })).toBe('disabled');
});

it('puts favourites first and what is gone last', () => {
  const list = [
    model({ id: 'gone', stale: true }),
    model({ id: 'b', display_name: 'B' }),
    model({ id: 'f', is_favorite: true }),
    model({ id: 'a', display_name: 'A' }),
  ];
  expect(inOrder(list).map(({ id }) => id)).toEqual(['f', 'a', 'b', 'gone']);
});

it('shortens numbers of tokens', () => {
  expect([tokens(200_000), tokens(1_048_576)]).toEqual(['200K', '1M']);
});
