import { api } from '../../data/client.ts';
import type { Schemas } from '../../data/queries.ts';
import { agentBody, draftOfAgent, draftOfHarness, harnessBody } from './draft.ts';
import type { Draft } from './draft.ts';

export type Kind = 'agent' | 'harness';
export type Format = 'markdown' | 'yaml' | 'json';
export type Entity = Schemas['Agent'] | Schemas['Harness'];

const pathOf = (id: string) => ({ params: { path: { id_or_name: id } } });

interface Calls {
  /** Where the list is, and what the queries are called. */
  things: 'agents' | 'harnesses';
  read: (idOrName: string) => Promise<Entity>;
  isFree: (name: string) => Promise<boolean>;
  create: (draft: Draft) => Promise<Entity>;
  update: (id: string, draft: Draft) => Promise<Entity>;
  copy: (id: string) => Promise<Entity>;
  setStatus: (id: string, status: 'active' | 'archived') => Promise<Entity>;
  destroy: (id: string) => Promise<unknown>;
  stats: (id: string) => Promise<Schemas['ResourceStats']>;
  document: (id: string, format: Format) => Promise<string>;
  examples: () => Promise<Schemas['Example'][]>;
  useExample: (name: string) => Promise<Entity>;
  importDocument: (text: string) => Promise<Entity>;
  draftOf: (entity: Entity) => Draft;
}

/** A document goes as it is. */
const asText = (body: string) => ({ body, bodySerializer: (text: string) => text, headers: { 'content-type': 'text/plain' } });

/** Agents and harnesses are edited alike; this is where they differ on the wire. */
export const CALLS: Readonly<Record<Kind, Calls>> = {
  agent: {
    things: 'agents',
    read: (id) => api.get('/v1/agents/{id_or_name}', pathOf(id)),
    isFree: async (name) => (await api.get('/v1/agents/check-name', { params: { query: { name } } })).available,
    create: (draft) => api.post('/v1/agents', { body: agentBody(draft) }),
    update: (id, draft) => api.patch('/v1/agents/{id_or_name}', { ...pathOf(id), body: agentBody(draft) }),
    copy: (id) => api.post('/v1/agents/{id_or_name}/copy', pathOf(id)),
    setStatus: (id, status) => api.patch('/v1/agents/{id_or_name}', { ...pathOf(id), body: { status } }),
    destroy: (id) => api.post('/v1/agents/{id_or_name}/delete', pathOf(id)),
    stats: (id) => api.get('/v1/agents/{id_or_name}/stats', pathOf(id)),
    document: (id, format) =>
      api.get('/v1/agents/{id_or_name}/export', { params: { path: { id_or_name: id }, query: { format } }, parseAs: 'text' }),
    examples: () => api.get('/v1/agent-examples'),
    useExample: (name) => api.post('/v1/agent-examples/{name}/use', { params: { path: { name } } }),
    importDocument: (text) => api.post('/v1/agents/import', asText(text)),
    draftOf: (entity) => draftOfAgent(entity as Schemas['Agent']),
  },
  harness: {
    things: 'harnesses',
    read: (id) => api.get('/v1/harnesses/{id_or_name}', pathOf(id)),
    isFree: async (name) => (await api.get('/v1/harnesses/check-name', { params: { query: { name } } })).available,
    create: (draft) => api.post('/v1/harnesses', { body: harnessBody(draft) }),
    update: (id, draft) => api.patch('/v1/harnesses/{id_or_name}', { ...pathOf(id), body: harnessBody(draft) }),
    copy: (id) => api.post('/v1/harnesses/{id_or_name}/copy', pathOf(id)),
    setStatus: (id, status) => api.patch('/v1/harnesses/{id_or_name}', { ...pathOf(id), body: { status } }),
    destroy: (id) => api.post('/v1/harnesses/{id_or_name}/delete', pathOf(id)),
    stats: (id) => api.get('/v1/harnesses/{id_or_name}/stats', pathOf(id)),
    document: (id, format) =>
      api.get('/v1/harnesses/{id_or_name}/export', { params: { path: { id_or_name: id }, query: { format } }, parseAs: 'text' }),
    examples: () => api.get('/v1/harness-examples'),
    useExample: (name) => api.post('/v1/harnesses/import', { ...asText(''), params: { query: { 'from-example': name } } }),
    importDocument: (text) => api.post('/v1/harnesses/import', asText(text)),
    draftOf: (entity) => draftOfHarness(entity as Schemas['Harness']),
  },
};
