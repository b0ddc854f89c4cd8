import { randomUUID } from 'node:crypto';
import { Conversation } from './conversation.ts';

export interface Answer {
  status: number;
  // Bodies are looked into by assertions, which say what they expect.
  body: Record<string, unknown>;
}

export interface ProviderSpec {
  provider_type: string;
  /** Name of the model at the provider. */
  model: string;
  base_url?: string;
  api_key?: string;
  options?: Record<string, unknown>;
}

export interface CreatedModel {
  providerId: string;
  modelId: string;
}

const POLL_MS = 25;
const PATIENCE_MS = 15_000;

/** The REST API as a client without any SDK uses it. */
export class Api {
  /** With the API prefix. */
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const init = body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(`${this.url}${path}`, { method, ...init });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
  }

  /** The body of a call that must succeed. */
  async expect<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.call(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  }

  async createModel({ model, ...provider }: ProviderSpec): Promise<CreatedModel> {
    const { id: providerId } = await this.expect<{ id: string }>('POST', '/v1/providers', {
      name: `under test ${randomUUID()}`,
      ...provider,
    });
    const { id: modelId } = await this.expect<{ id: string }>('POST', `/v1/providers/${providerId}/models`, {
      model_id: model,
      display_name: model,
    });
    return { providerId, modelId };
  }

  /** A new session, followed over SSE from its first event. */
  async converse(session: Record<string, unknown> = {}): Promise<Conversation> {
    const { id } = await this.expect<{ id: string }>('POST', '/v1/sessions', session);
    return new Conversation(this, id);
  }
}

/** Waits until a condition holds; fails with what was waited for. */
export async function eventually(holds: () => Promise<boolean> | boolean, what: string, withinMs = PATIENCE_MS): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
