/** As much of a client as these tests need. */
export interface Api {
  createSession(modelId?: string): Promise<string>;
  post(sessionId: string, text: string): Promise<void>;
  events(sessionId: string): Promise<{ type: string; sequence: number }[]>;
  /** Waits until an event of the type is in the log. */
  untilEvent(sessionId: string, type: string): Promise<void>;
  workers(): Promise<number>;
}

export function apiOf(portPrefix: number): Api {
  const base = `http://127.0.0.1:${portPrefix}01/api`;
  const call = async <T>(path: string, body?: unknown): Promise<T> => {
    const init = body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(`${base}${path}`, init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  const events = async (sessionId: string) =>
    (await call<{ data: { type: string; sequence: number }[] }>(`/v1/sessions/${sessionId}/events`)).data;
  return {
    events,
    async createSession(modelId) {
      const session = await call<{ id: string }>('/v1/sessions', {
        capabilities: [{ ref: 'current_time' }],
        ...(modelId !== undefined && { model_id: await modelNamed(call, modelId) }),
      });
      return session.id;
    },
    async post(sessionId, text) {
      await call(`/v1/sessions/${sessionId}/messages`, { message: { content: [{ type: 'text', text }] } });
    },
    async untilEvent(sessionId, type) {
      while (!(await events(sessionId)).some((event) => event.type === type)) await new Promise((resolve) => setTimeout(resolve, 50));
    },
    async workers() {
      return (await call<{ active_workers: number }>('/v1/durable/health')).active_workers;
    },
  };
}

type Call = <T>(path: string, body?: unknown) => Promise<T>;

async function modelNamed(call: Call, modelId: string): Promise<string> {
  const { data } = await call<{ data: { id: string; model_id: string }[] }>('/v1/models');
  const found = data.find((model) => model.model_id === modelId);
  if (found !== undefined) return found.id;
  const provider = await call<{ id: string }>('/v1/providers', { name: 'simulated', provider_type: 'llmsim' });
  return (await call<{ id: string }>(`/v1/providers/${provider.id}/models`, { model_id: modelId, display_name: modelId })).id;
}
