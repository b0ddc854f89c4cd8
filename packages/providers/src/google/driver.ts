import type { DriverDependencies } from '../dependencies.ts';
import { defineDriver, type ModelDriver } from '../driver.ts';
import { listGoogle } from '../catalogue/list.ts';
import { addressOf } from '../endpoint.ts';
import { createSdkChatModel } from '../sdk/chat-model.ts';
import { googleProfile } from './profile.ts';

const VENDOR = { origin: 'https://generativelanguage.googleapis.com', path: '/v1beta' };

/** Google Gemini (Generative Language API). */
export function googleDriver({ fetch, nowMs }: DriverDependencies): ModelDriver {
  return defineDriver({
    id: 'google',
    list: (endpoint, signal) => listGoogle(addressOf(endpoint, VENDOR), { fetch, nowMs, signal }),
    create(endpoint) {
      const { baseUrl, apiKey } = addressOf(endpoint, VENDOR);
      return createSdkChatModel({
        profile: googleProfile,
        apiKey,
        ...(nowMs && { nowMs }),
        open: async () => {
          const { createGoogleGenerativeAI } = await import('@ai-sdk/google');
          return createGoogleGenerativeAI({ baseURL: baseUrl, apiKey, ...(fetch && { fetch }) })(endpoint.model);
        },
      });
    },
  });
}
