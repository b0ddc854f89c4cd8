import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startCallProxy } from './call-proxy.ts';
import { startEffectSimulator } from './effect-simulator.ts';
import { scriptText } from './model-script.ts';
import { startModelSimulator } from './model-simulator.ts';
import type { CallFate, CallProxy } from './call-proxy.ts';
import type { EffectSimulator } from './effect-simulator.ts';
import type { ModelSimulator } from './model-simulator.ts';

let model: ModelSimulator;
let effects: EffectSimulator;
let proxies: CallProxy[];

beforeEach(async () => {
  model = await startModelSimulator();
  effects = await startEffectSimulator();
  proxies = [];
});

afterEach(async () => {
  await Promise.all([...proxies, model, effects].map((part) => part.close()));
});

async function before(port: number, fate?: Partial<CallFate>, onPath?: (path: string) => void): Promise<string> {
  const proxy = await startCallProxy({ host: '127.0.0.1', port });
  proxies.push(proxy);
  if (fate !== undefined) {
    proxy.onCall = async (call) => {
      onPath?.(call.path);
      return { send: 'forward', reply: 'forward', ...fate };
    };
  }
  return `http://127.0.0.1:${proxy.port}`;
}

const act = (base: string) => fetch(`${base}/effects?delay_ms=1`, { method: 'POST', body: JSON.stringify({ effect_id: 'e1' }) });

async function ask(base: string): Promise<string> {
  const content = scriptText('Go', { turns: [{ text: 'one two three four five six seven', chunk_delay_ms: 2 }] });
  const body = JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content }] });
  return (await fetch(`${base}/chat/completions`, { method: 'POST', body })).text();
}

describe('a call through the proxy', () => {
  it('arrives with its body, and its streamed answer comes back whole', async () => {
    const base = await before(model.port);
    const answer = await ask(base);
    const text = [...answer.matchAll(/"content":"([^"]*)"/g)].map((match) => match[1]).join('');
    expect(text).toBe('one two three four five six seven');
    expect(answer.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(model.calls).toMatchObject([{ finished: true, toolResults: [] }]);
  });

  it('does not arrive when dropped', async () => {
    const paths: string[] = [];
    const base = await before(effects.port, { send: 'drop' }, (path) => paths.push(path));
    await expect(act(base)).rejects.toThrow('fetch failed');
    expect(paths).toEqual(['/effects?delay_ms=1']);
    expect(effects.effects).toEqual([]);
  });

  it('has its effect although the answer is lost', async () => {
    const answered = Promise.withResolvers<void>();
    const base = await before(effects.port, { reply: 'swallow', answered: () => answered.resolve() });
    act(base).catch(() => undefined); // never answered: cut when the proxy closes
    await answered.promise;
    expect(effects.effects.map((effect) => effect.effectId)).toEqual(['e1']);
  });

  it('can be broken in the middle of its answer, and the simulator notices', async () => {
    const controller = new AbortController();
    const base = await before(model.port, { passed: (pieces) => void (pieces === 2 && controller.abort()) });
    const content = scriptText('Go', { turns: [{ text: 'one two three four five six seven eight nine ten', chunk_delay_ms: 20 }] });
    const body = JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content }] });
    await expect(
      fetch(`${base}/chat/completions`, { method: 'POST', body, signal: controller.signal }).then((r) => r.text()),
    ).rejects.toThrow();
    await expect.poll(() => model.calls[0]?.finished).toBe(false);
  });
});
