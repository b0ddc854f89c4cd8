import { describe, expect, it } from 'vitest';
import { ModelError, type ModelErrorKind } from '../model.ts';
import { failureOfModel, narrowDisclosure, toStepError } from './user-errors.ts';

const stepError = (error: ModelError, disclosure: 'generic' | 'standard' | 'detailed' = 'standard') =>
  toStepError(failureOfModel(error), disclosure, 'sk-secret');

describe('user-facing errors', () => {
  it.each<[ModelErrorKind, string, boolean]>([
    ['misconfigured', 'provider_misconfigured', false],
    ['authentication', 'provider_misconfigured', false],
    ['quota', 'provider_quota_exhausted', false],
    ['usage_limit', 'provider_usage_limit_reached', false],
    ['rate_limited', 'provider_rate_limited', false],
    ['unavailable', 'provider_unavailable', true],
    ['timeout', 'provider_unavailable', true],
    ['stalled', 'provider_unavailable', true],
    ['cut', 'provider_unavailable', true],
    ['invalid_response', 'provider_unavailable', true],
    ['invalid_request', 'processing_error', false],
    ['invalid_tool_schema', 'invalid_tool_schema', false],
    ['request_too_large', 'request_too_large', false],
    ['model_unavailable', 'model_unavailable', false],
    ['other', 'processing_error', false],
  ])('a call that fails with %s is %s (counts against the provider: %s)', (kind, code, providerFault) => {
    expect(stepError(new ModelError(kind, 'x'))).toMatchObject({ code, provider_fault: providerFault });
  });

  it('say exactly the agreed sentence when a provider has no key', () => {
    expect(stepError(new ModelError('misconfigured', 'no key')).text).toBe(
      'I encountered an error while processing your request. Please try again later.',
    );
  });

  it('carry when a usage limit ends, and how long a rate limit lasts', () => {
    expect(stepError(new ModelError('usage_limit', 'x', { resetsAt: '2026-01-03T00:00:00Z' })).fields).toEqual({
      resets_at: '2026-01-03T00:00:00Z',
    });
    expect(stepError(new ModelError('rate_limited', 'x', { retryAfterMs: 1_500 })).fields).toEqual({ retry_after_seconds: 2 });
    expect(stepError(new ModelError('unavailable', 'x'))).not.toHaveProperty('fields');
  });

  it('tell nothing of their kind when disclosure is generic', () => {
    const error = stepError(new ModelError('usage_limit', 'org-77 is over', { resetsAt: '2026-01-03T00:00:00Z' }), 'generic');
    expect(error).toEqual({
      code: 'processing_error',
      text: 'Something went wrong while I was working on this. Please send your message again.',
      detail: 'Something went wrong while I was working on this. Please send your message again.',
      disclosure: 'generic',
      provider_fault: false,
    });
  });

  it('keep the words of the provider to themselves when disclosure is standard', () => {
    expect(JSON.stringify(stepError(new ModelError('unavailable', 'upstream 10.0.0.3 failed')))).not.toContain('10.0.0.3');
  });

  it('add at most 1,000 characters of the cause, without the key, when disclosure is detailed', () => {
    const error = stepError(new ModelError('unavailable', `key sk-secret refused ${'x'.repeat(2_000)}`), 'detailed');
    expect(error.detail).toHaveLength(1_000);
    expect(error.detail).toMatch(/^unavailable: key \*\*\* refused x/);
    expect(error.fields).toEqual({ detail: error.detail });
    expect(error.text.endsWith(error.detail)).toBe(true);
  });
});

describe('narrowDisclosure', () => {
  it.each([
    ['standard', undefined, 'standard'],
    ['standard', 'generic', 'generic'],
    ['standard', 'detailed', 'standard'],
    ['detailed', 'standard', 'standard'],
    ['generic', 'detailed', 'generic'],
  ] as const)('a session with %s and a message with %s shows %s', (configured, requested, shown) => {
    expect(narrowDisclosure(configured, requested)).toBe(shown);
  });
});
