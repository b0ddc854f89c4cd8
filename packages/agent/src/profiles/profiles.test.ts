import { ModelProfile } from '@everruns/contract';
import { describe, expect, test } from 'vitest';
import { supportedControls } from './controls.ts';
import { MODEL_PROFILES } from './data.ts';
import { effectiveProfile, profileOf } from './lookup.ts';
import { costOf } from './price.ts';

const MILLION = 1_000_000;

describe('the data', () => {
  test.each(MODEL_PROFILES.map((entry) => [entry.model, entry] as const))('%s is a profile of the contract', (_name, { profile }) => {
    expect(ModelProfile.strict().parse(profile)).toEqual(profile);
    expect(profile.limits).toBeDefined();
    expect(profile.reasoning_effort?.values.map(({ value }) => value) ?? ['x']).toContain(profile.reasoning_effort?.default ?? 'x');
    const { cost } = profile;
    if (cost?.cache_read !== undefined) expect(cost.cache_read).toBeLessThan(cost.input);
    for (const tier of cost?.cost_tiers ?? []) expect(tier.input).toBeGreaterThan(cost?.input ?? 0);
  });
  test('names each model once', () => {
    const names = MODEL_PROFILES.map(({ vendor, model }) => `${vendor}/${model}`);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('a model is found', () => {
  test.each([
    ['openai', 'gpt-5.4', 'GPT-5.4'],
    ['openai', 'gpt-5.4-2026-03-05', 'GPT-5.4'],
    ['openai_completions', 'gpt-5.4-mini-2026-03-17', 'GPT-5.4 mini'],
    ['anthropic', 'claude-sonnet-4-5-20250929', 'Claude Sonnet 4.5'],
    ['anthropic', 'claude-haiku-4-5@20251001', 'Claude Haiku 4.5'],
    ['anthropic', 'claude-opus-4-6-latest', 'Claude Opus 4.6'],
    ['google', 'models/gemini-2.5-pro', 'Gemini 2.5 Pro'],
    ['google', 'gemini-2.5-flash-preview-09-2025', 'Gemini 2.5 Flash'],
    ['google', 'gemini-2.5-flash-001', 'Gemini 2.5 Flash'],
    ['llmsim', 'llmsim-script-latency', 'Simulated model'],
  ])('%s %s as %s', (providerType, model, name) => expect(profileOf({ providerType, model })?.name).toBe(name));

  test.each([
    ['openai', 'gpt-5.4-something'],
    ['anthropic', 'gpt-5.4'],
    ['openai', 'gpt-5.4-mini-2'],
    ['custom', 'gpt-5.4'],
    ['openai', 'constructor'],
  ])('not: %s %s', (providerType, model) => expect(profileOf({ providerType, model })).toBeUndefined());

  test("not by a name at somebody else's compatible server", () => {
    const baseUrl = 'http://localhost:11434/v1';
    expect(profileOf({ providerType: 'openai_completions', model: 'gpt-5.4', baseUrl })).toBeUndefined();
    expect(profileOf({ providerType: 'openai', model: 'gpt-5.4', baseUrl })?.name).toBe('GPT-5.4');
  });
});

describe('what an organization knows better', () => {
  test('replaces field by field', () => {
    const profile = effectiveProfile({ providerType: 'openai', model: 'gpt-5.4' }, { cost: { input: 1, output: 2 } });
    expect(profile).toMatchObject({ name: 'GPT-5.4', cost: { input: 1, output: 2 }, limits: { context: 1_050_000 } });
    expect(profile?.cost?.cache_read).toBeUndefined();
  });
  test('is all there is for a model that nobody else knows', () => {
    const model = { providerType: 'openai_completions', model: 'mine', baseUrl: 'http://h' };
    expect(effectiveProfile(model, null)).toBeUndefined();
    expect(effectiveProfile(model, {})).toBeUndefined();
    expect(effectiveProfile(model, { limits: { context: 8_192, output: 1_024 } })).toMatchObject({
      name: 'mine',
      limits: { context: 8_192 },
    });
  });
});

describe('the price of a call', () => {
  const sonnet = profileOf({ providerType: 'anthropic', model: 'claude-sonnet-4-6' });
  const gpt = profileOf({ providerType: 'openai', model: 'gpt-5.4' });

  test('counts each kind of token once, at its own price', () => {
    const usage = { inputTokens: 1_000_000, outputTokens: 100_000, cacheReadTokens: 600_000, cacheCreationTokens: 300_000 };
    expect(costOf(sonnet, usage)).toBeCloseTo(0.1 * 3 + 0.6 * 0.3 + 0.3 * 3.75 + 0.1 * 15, 9);
  });
  test('takes reasoning as the output that it is part of', () => {
    expect(costOf(sonnet, { inputTokens: 0, outputTokens: MILLION, reasoningTokens: 900_000 })).toBe(15);
  });
  test('rises for all tokens of a call above a bound, not at it', () => {
    expect(costOf(gpt, { inputTokens: 272_000, outputTokens: 0 })).toBeCloseTo(0.272 * 2.5, 9);
    expect(costOf(gpt, { inputTokens: 272_001, outputTokens: MILLION })).toBeCloseTo(0.272001 * 5 + 22.5, 9);
  });
  test('of a cache without a price of its own is that of input', () => {
    const profile = effectiveProfile({ providerType: 'openai', model: 'x' }, { cost: { input: 2, output: 4 } });
    expect(costOf(profile, { inputTokens: MILLION, outputTokens: 0, cacheReadTokens: MILLION })).toBe(2);
  });
  test('follows the speed', () => {
    expect(costOf(gpt, { inputTokens: MILLION / 10, outputTokens: 0 }, 'default')).toBe(0.25);
    expect(costOf(gpt, { inputTokens: MILLION / 10, outputTokens: 0 }, 'priority')).toBe(0.5);
    expect(costOf(gpt, { inputTokens: MILLION / 10, outputTokens: 0 }, 'flex')).toBe(0.125);
  });
  test('is absent where it is not known', () => {
    const usage = { inputTokens: 1, outputTokens: 1 };
    expect(costOf(undefined, usage)).toBeUndefined();
    expect(costOf(profileOf({ providerType: 'google', model: 'gemini-3.5-flash-lite' }), usage)).toBeUndefined();
    expect(costOf(gpt, usage, 'ultrafast')).toBeUndefined();
  });
  test('never counts a token below nothing, and zero is a price', () => {
    expect(costOf(sonnet, { inputTokens: 10, outputTokens: 0, cacheReadTokens: 20 })).toBeCloseTo((20 * 0.3) / MILLION, 9);
    expect(
      costOf(effectiveProfile({ providerType: 'x', model: 'y' }, { cost: { input: 0, output: 0 } }), { inputTokens: 9, outputTokens: 9 }),
    ).toBe(0);
  });
});

describe('controls', () => {
  const all = { reasoning: { effort: 'xhigh' }, speed: 'priority', verbosity: 'low', locale: 'en' } as const;

  test('that a model has are kept', () => {
    expect(supportedControls(profileOf({ providerType: 'openai', model: 'gpt-5.4' }), all)).toEqual({ controls: all, dropped: [] });
  });
  test('that it does not have are dropped, the others stay', () => {
    expect(supportedControls(profileOf({ providerType: 'anthropic', model: 'claude-sonnet-4-6' }), all)).toEqual({
      controls: { locale: 'en' },
      dropped: ['reasoning.effort', 'speed', 'verbosity'],
    });
    const mini = profileOf({ providerType: 'openai', model: 'gpt-4.1-mini' });
    expect(supportedControls(mini, { reasoning: { effort: 'low' } })).toEqual({ controls: {}, dropped: ['reasoning.effort'] });
  });
  test('that ask for no thinking are always possible', () => {
    const mini = profileOf({ providerType: 'openai', model: 'gpt-4.1-mini' });
    expect(supportedControls(mini, { reasoning: { effort: 'none' } }).dropped).toEqual([]);
  });
  test('of any effort reach a model that is steered by a budget', () => {
    const haiku = profileOf({ providerType: 'anthropic', model: 'claude-haiku-4-5' });
    expect(supportedControls(haiku, { reasoning: { effort: 'high' } }).dropped).toEqual([]);
  });
  test('pass through to a model that is not known, as far as its organization says nothing else', () => {
    expect(supportedControls(undefined, all).dropped).toEqual([]);
    const priced = effectiveProfile({ providerType: 'x', model: 'y' }, { cost: { input: 1, output: 1 } });
    expect(supportedControls(priced, all).dropped).toEqual([]);
    const plain = effectiveProfile({ providerType: 'x', model: 'y' }, { reasoning: false });
    expect(supportedControls(plain, all).dropped).toEqual(['reasoning.effort']);
  });
});
