import { createIdSource, DEFAULT_ORG_ID } from '@everruns/contract';
import type { ModelCandidate, TurnConfig, Vault } from '@everruns/storage';
import { describe, expect, test } from 'vitest';
import { createModelResolver, keySource, resolveModel } from './model-resolution.ts';
import type { ResolutionPolicy } from './model-resolution.ts';

const ids = createIdSource();
const STORED = { sealed: true };

function candidate(providerType: string, columns: Partial<ModelCandidate> = {}): ModelCandidate {
  return {
    modelId: ids.next(),
    model: `${providerType}-model`,
    providerId: ids.next(),
    providerType,
    baseUrl: null,
    options: null,
    apiKeyEncrypted: null,
    credentialsEncrypted: null,
    profile: null,
    ...columns,
  };
}

function config(parts: Partial<TurnConfig>): TurnConfig {
  return { orgId: DEFAULT_ORG_ID, layers: [], harnessId: ids.next(), named: [], spare: [], ...parts };
}

const dev: ResolutionPolicy = { grade: 'dev', fallbackKeys: {} };
const prod: ResolutionPolicy = { grade: 'prod', fallbackKeys: {} };
const withKeys = (policy: ResolutionPolicy): ResolutionPolicy => ({
  ...policy,
  fallbackKeys: { openai: 'o', anthropic: 'a', google: 'g' },
});

describe('which model', () => {
  const keyed = candidate('anthropic', { apiKeyEncrypted: STORED });
  const keyless = candidate('openai');
  const simulated = candidate('llmsim');

  test('the first named one, whatever else there is', () => {
    expect(resolveModel(config({ named: [keyed, keyless] }), dev)).toMatchObject({ kind: 'row', candidate: keyed, key: 'stored' });
  });
  test('a named one without a key is a problem, not a reason to take another', () => {
    expect(resolveModel(config({ named: [keyless, keyed] }), prod)).toMatchObject({ candidate: keyless, key: 'none' });
  });
  test('a named simulated one, in any grade', () => {
    expect(resolveModel(config({ named: [simulated] }), prod)).toMatchObject({ candidate: simulated, key: 'not_needed' });
  });
  test('without a name the first provider with a key', () => {
    expect(resolveModel(config({ spare: [keyless, simulated, keyed] }), dev)).toMatchObject({ candidate: keyed });
  });
  test('a fallback key counts as a key', () => {
    expect(resolveModel(config({ spare: [keyless, keyed] }), withKeys(dev))).toMatchObject({ candidate: keyless, key: 'fallback' });
  });
  test('in grade dev without any key the simulated one', () => {
    expect(resolveModel(config({ spare: [keyless, simulated] }), dev)).toMatchObject({ candidate: simulated });
    expect(resolveModel(config({ spare: [keyless] }), dev)).toEqual({ kind: 'simulated' });
  });
  test.each(['poc', 'preview', 'prod'] as const)('in grade %s without any key a misconfigured provider, never a simulation', (grade) => {
    expect(resolveModel(config({ spare: [simulated, keyless] }), { grade, fallbackKeys: {} })).toMatchObject({
      candidate: keyless,
      key: 'none',
    });
    expect(resolveModel(config({}), { grade, fallbackKeys: {} })).toEqual({ kind: 'nothing', problem: 'model_unavailable' });
  });
  test('an unavailable dependency comes before everything', () => {
    expect(resolveModel(config({ named: [keyed], problem: 'dependency_unavailable' }), dev)).toEqual({
      kind: 'nothing',
      problem: 'dependency_unavailable',
    });
  });
});

describe('which key', () => {
  const cases: [string, ModelCandidate, ResolutionPolicy, string][] = [
    ['a stored one wins', candidate('openai', { apiKeyEncrypted: STORED }), withKeys(dev), 'stored'],
    ['the fallback of the type', candidate('google'), withKeys(dev), 'fallback'],
    ['Chat Completions at OpenAI takes the fallback', candidate('openai_completions'), withKeys(dev), 'fallback'],
    ['a compatible server never gets it', candidate('openai_completions', { baseUrl: 'http://h' }), withKeys(dev), 'not_needed'],
    ['in dev also with an address of its own', candidate('openai', { baseUrl: 'http://h' }), withKeys(dev), 'fallback'],
    ['elsewhere only at the vendor', candidate('openai', { baseUrl: 'http://h' }), withKeys(prod), 'none'],
    ['elsewhere the default organization', candidate('openai'), withKeys(prod), 'fallback'],
    ['none for an unknown type', candidate('custom'), withKeys(dev), 'none'],
  ];
  test.each(cases)('%s', (_name, row, policy, source) => expect(keySource(row, DEFAULT_ORG_ID, policy)).toBe(source));
  test('outside dev no other organization gets a fallback key', () => {
    expect(keySource(candidate('openai'), ids.next(), withKeys(prod))).toBe('none');
    expect(keySource(candidate('openai'), ids.next(), withKeys(dev))).toBe('fallback');
  });
});

describe('the resolved model', () => {
  const opened: unknown[] = [];
  const vault: Vault = {
    available: true,
    seal: () => Promise.reject(new Error('not used')),
    open: (place, sealed) => {
      opened.push(place);
      if (sealed === 'broken') return Promise.reject(new Error('does not open'));
      return Promise.resolve(place.column === 'credentials_encrypted' ? '{"region":"x"}' : 'sk-stored');
    },
  };
  const resolve = (parts: Partial<TurnConfig>, policy = dev) =>
    createModelResolver({ config: policy, secrets: vault }).resolve(config(parts));

  test('carries the opened key, the address, the options and the other credentials', async () => {
    const row = candidate('openai', {
      apiKeyEncrypted: STORED,
      credentialsEncrypted: STORED,
      baseUrl: 'http://h',
      options: { background: true },
    });
    expect(await resolve({ named: [row] })).toEqual({
      model_id: row.modelId,
      provider_id: row.providerId,
      provider_type: 'openai',
      model: 'openai-model',
      base_url: 'http://h',
      api_key: 'sk-stored',
      options: { background: true, credentials: { region: 'x' } },
    });
    expect(opened).toContainEqual({ table: 'providers', column: 'api_key_encrypted', rowId: row.providerId, orgId: DEFAULT_ORG_ID });
  });
  test('carries the fallback key', async () => {
    expect(await resolve({ named: [candidate('google')] }, withKeys(dev))).toMatchObject({ api_key: 'g' });
  });
  test('says so when the key is missing or does not open, and tells the operator why', async () => {
    expect(await resolve({ named: [candidate('openai')] })).toMatchObject({ problem: 'provider_misconfigured', model: 'openai-model' });
    const told: unknown[] = [];
    const row = candidate('openai', { apiKeyEncrypted: 'broken' });
    const resolver = createModelResolver({ config: dev, secrets: vault, onUnreadableKey: (id, error) => told.push([id, String(error)]) });
    expect(await resolver.resolve(config({ named: [row] }))).toMatchObject({ problem: 'provider_misconfigured' });
    expect(told).toEqual([[row.providerId, 'Error: does not open']]);
  });
  test('of nothing at all is the simulated one, without row ids', async () => {
    expect(await resolve({})).toMatchObject({ provider_type: 'llmsim', model: 'llmsim-default', profile: { family: 'llmsim' } });
    expect(await resolve({})).not.toHaveProperty('model_id');
  });
  test("carries what is known of the model, with the organization's own facts over it", async () => {
    const known = candidate('openai', { model: 'gpt-5.4-2026-03-05', apiKeyEncrypted: STORED, profile: { cost: { input: 1, output: 2 } } });
    expect((await resolve({ named: [known] })).profile).toMatchObject({ name: 'GPT-5.4', cost: { input: 1, output: 2 }, reasoning: true });
    expect(await resolve({ named: [candidate('openai', { apiKeyEncrypted: STORED })] })).not.toHaveProperty('profile');
  });
  test('carries its fallback, opened, when that could be called now at another provider', async () => {
    const fallback = candidate('anthropic', { apiKeyEncrypted: STORED });
    const row = candidate('openai', { apiKeyEncrypted: STORED, fallback });
    expect((await resolve({ named: [row] })).fallback).toEqual({
      model_id: fallback.modelId,
      provider_id: fallback.providerId,
      provider_type: 'anthropic',
      model: 'anthropic-model',
      api_key: 'sk-stored',
      fallback_for: { model_id: row.modelId, provider_id: row.providerId, provider_type: 'openai', model: 'openai-model' },
    });
    const keyless = candidate('openai', { apiKeyEncrypted: STORED, fallback: candidate('anthropic') });
    expect(await resolve({ named: [keyless] })).not.toHaveProperty('fallback');
    const sibling = candidate('openai', { apiKeyEncrypted: STORED });
    expect(await resolve({ named: [{ ...sibling, fallback: { ...fallback, providerId: sibling.providerId } }] })).not.toHaveProperty(
      'fallback',
    );
  });
});
