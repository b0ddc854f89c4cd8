import type { DriverDependencies } from '../dependencies.ts';
import { defineDriver, type ModelDriver } from '../driver.ts';
import { listAnthropic } from '../catalogue/list.ts';
import { addressOf } from '../endpoint.ts';
import { createSdkChatModel } from '../sdk/chat-model.ts';
import { anthropicProfile } from './profile.ts';

const VENDOR = { origin: 'https://api.anthropic.com', path: '/v1' };

/** Anthropic Messages. */
export function anthropicDriver({ fetch, nowMs }: DriverDependencies): ModelDriver {
  return defineDriver({
    id: 'anthropic',
    list: (endpoint, signal) => listAnthropic(addressOf(endpoint, VENDOR), { fetch, nowMs, signal }),
    create(endpoint) {
      const { baseUrl, apiKey } = addressOf(endpoint, VENDOR);
      return createSdkChatModel({
        profile: anthropicProfile,
        apiKey,
        ...(nowMs && { nowMs }),
        open: async () => {
          const { createAnthropic } = await import('@ai-sdk/anthropic');
          return createAnthropic({ baseURL: baseUrl, apiKey, ...(fetch && { fetch }) })(endpoint.model);
        },
      });
    },
  });
}
