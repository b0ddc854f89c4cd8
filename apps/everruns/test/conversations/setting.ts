import { startWireSimulator, type WireSimulator } from '@everruns/providers/testing/wire-simulator';
import { expect } from 'vitest';
import type { Composition, WorkerOptions } from './composition.ts';
import { payload, type Conversation } from './conversation.ts';
import { received } from './received.ts';
import { OPENAI_ADDRESS, type Wire } from './wires.ts';

export const KEY = 'sk-test-0123456789abcdef';

/** A tool that this client runs itself. */
export const ASK_USER = {
  type: 'client_side',
  name: 'look_up',
  description: 'Looks a city up',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

/** A provider of its own, simulated, and a model of it: what goes wrong there is nobody else's trouble. */
export interface Setting {
  wire: Wire;
  simulator: WireSimulator;
  providerId: string;
  modelId: string;
  /** A session with this model, the test tools and one client-side tool. */
  converse(session?: Record<string, unknown>): Promise<Conversation>;
  close(): Promise<void>;
}

export async function settingOf(composition: Composition, wire: Wire, options: { requiresThinking?: boolean } = {}): Promise<Setting> {
  const simulator = await startWireSimulator(options);
  const official = wire.isOfficial === true;
  const key = official ? `${KEY}-${new URL(simulator.url).port}` : KEY;
  if (official) OFFICIAL_SIMULATORS.set(key, simulator.url);
  const { providerId, modelId } = await composition.api.createModel({
    provider_type: wire.providerType,
    model: wire.model,
    api_key: key,
    ...(official ? {} : { base_url: simulator.baseUrl(wire.protocol) }),
  });
  const open: Conversation[] = [];
  return {
    wire,
    simulator,
    providerId,
    modelId,
    async converse(session = {}) {
      const conversation = await composition.api.converse({
        harness_name: 'base',
        model_id: modelId,
        capabilities: [{ ref: 'test_tools' }],
        tools: [ASK_USER],
        ...session,
      });
      open.push(conversation);
      return conversation;
    },
    async close() {
      for (const conversation of open) await conversation.leave();
      await simulator.close();
    },
  };
}

export async function withSetting(composition: Composition, wire: Wire, work: (setting: Setting) => Promise<void>): Promise<void> {
  const setting = await settingOf(composition, wire);
  try {
    await work(setting);
  } finally {
    await setting.close();
  }
}

/** The session goes on after a failed turn, and its model is told what that turn had said. Ends the conversation. */
export async function expectUsable(setting: Setting, chat: Conversation, history: readonly string[]): Promise<void> {
  setting.simulator.script({ text: 'All is well.' });
  const next = await chat.say('And now?');
  expect(payload(next, 'turn.completed')).toMatchObject({ iterations: 1, final_answer_preview: 'All is well.' });
  expect(received(setting.simulator.requests.at(-1))).toEqual([...history, 'user: And now?']);
  expect(await chat.session()).toMatchObject({ status: 'idle', activity: 'completed' });
  await chat.close();
}

/** Which simulator stands for the vendor's own address: the key of a request says whose it is. */
const OFFICIAL_SIMULATORS = new Map<string, string>();

/** Workers of these tests reach OpenAI's own address at a simulator; everything below the network is as in production. */
export const toSimulators: NonNullable<WorkerOptions['fetch']> = (input, init) => {
  const url = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
  if (!url.startsWith(OPENAI_ADDRESS)) return fetch(input, init);
  const key = new Headers(init?.headers).get('authorization')?.replace(/^Bearer /, '') ?? '';
  const simulator = OFFICIAL_SIMULATORS.get(key);
  return simulator === undefined
    ? Promise.reject(new Error(`Nobody stands for ${url}.`))
    : fetch(url.replace(OPENAI_ADDRESS, simulator), init);
};
