import type { Policy } from '../http/caller.ts';
import type { Api } from '../http/types.ts';

/** The operations of the REST API as MCP clients find and run them: what the OpenAPI document says, and what each asks of its caller. */

export interface OperationParameter {
  name: string;
  in: 'path' | 'query';
  required: boolean;
  description?: string;
  schema: unknown;
}

export interface Operation {
  id: string;
  summary: string;
  category: string;
  method: string;
  /** As in the OpenAPI document, below the API prefix: `/v1/sessions/{id}`. */
  path: string;
  policy: Policy;
  /** Changes nothing: `query` may run it. */
  isReadOnly: boolean;
  parameters: OperationParameter[];
  body?: { type: string; isRequired: boolean; schema: unknown };
  /** Schema of the first successful answer, when that is JSON. */
  answer?: unknown;
  /** Why it cannot be run here. */
  refusal?: string;
}

export interface OperationCatalogue {
  all(): readonly Operation[];
  find(id: string): Operation | undefined;
  /** The named schemas of the OpenAPI document that `root` refers to, directly or through others. */
  schemasIn(root: unknown): Record<string, unknown>;
}

interface Described {
  operationId?: string;
  summary?: string;
  tags?: string[];
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: unknown }[];
  requestBody?: { required?: boolean; content?: Record<string, { schema?: unknown }> };
  responses?: Record<string, { content?: Record<string, { schema?: unknown }> }>;
}

interface Document {
  paths?: Record<string, Record<string, Described>>;
  components?: { schemas?: Record<string, unknown> };
}

const COMPONENT = '#/components/schemas/';
/** Answers that a tool result can hold as text. */
const TEXTUAL = /^(application\/json|application\/yaml|application\/x-ndjson|text\/(markdown|plain))$/;
/** What makes or ends credentials and accounts is for people to do, in a browser or with a credential of their own. */
const OF_CREDENTIALS = /^\/v1\/(auth\/|users\/me$|service-accounts\/[^/]+\/tokens|orgs\/[^/]+\/service-accounts\/[^/]+\/tokens)/;

/** Must be made before the routes that it lists; it is read when the application is ready. */
export function createOperationCatalogue(app: Api): OperationCatalogue {
  const policies = new Map<string, () => Policy | undefined>();
  app.addHook('onRoute', (route) => {
    const id = (route.schema as { operationId?: string } | undefined)?.operationId;
    // Read later: hooks of the route's group say what it asks for after this one.
    if (id !== undefined && !policies.has(id)) policies.set(id, () => route.config?.policy);
  });
  let operations: Map<string, Operation> | undefined;
  const all = (): Map<string, Operation> => (operations ??= listed(app.swagger() as Document, (id) => policies.get(id)?.()));
  return {
    all: () => [...all().values()],
    find: (id) => all().get(id),
    schemasIn: (root) => schemasIn(root, (app.swagger() as Document).components?.schemas ?? {}),
  };
}

function listed(document: Document, policyOf: (id: string) => Policy | undefined): Map<string, Operation> {
  const found = new Map<string, Operation>();
  for (const [path, methods] of Object.entries(document.paths ?? {})) {
    for (const [method, described] of Object.entries(methods)) {
      const id = described.operationId;
      const policy = id === undefined ? undefined : policyOf(id);
      // Open ones are for those who are not known yet.
      if (id === undefined || policy === undefined || found.has(id)) continue;
      found.set(id, operationOf({ id, path, method: method.toUpperCase(), policy, described }));
    }
  }
  return found;
}

interface Listed {
  id: string;
  path: string;
  method: string;
  policy: Policy;
  described: Described;
}

function operationOf({ id, path, method, policy, described }: Listed): Operation {
  const body = Object.entries(described.requestBody?.content ?? {})[0];
  const answers = Object.entries(described.responses ?? {}).filter(([status]) => status.startsWith('2'));
  const contents = answers.flatMap(([, { content }]) => Object.entries(content ?? {}));
  const refusal = refusalOf({ method, path, bodyType: body?.[0], answerTypes: contents.map(([type]) => type) });
  return {
    id,
    summary: described.summary ?? id,
    category: described.tags?.[0] ?? 'Other',
    method,
    path,
    policy,
    isReadOnly: method === 'GET' || (method === 'POST' && policy.endsWith(':view')),
    parameters: (described.parameters ?? []).flatMap(({ name, in: place, required, description, schema }) =>
      place === 'path' || place === 'query'
        ? [{ name, in: place, required: required ?? false, schema, ...(description === undefined ? {} : { description }) }]
        : [],
    ),
    ...(body === undefined
      ? {}
      : { body: { type: body[0], isRequired: described.requestBody?.required ?? false, schema: body[1].schema } }),
    ...(contents[0]?.[0] === 'application/json' ? { answer: contents[0][1].schema } : {}),
    ...(refusal === undefined ? {} : { refusal }),
  };
}

interface Exchange {
  method: string;
  path: string;
  bodyType: string | undefined;
  answerTypes: readonly string[];
}

function refusalOf({ method, path, bodyType, answerTypes }: Exchange): string | undefined {
  if (method !== 'GET' && OF_CREDENTIALS.test(path)) return 'Credentials and accounts are managed by people, not through this endpoint.';
  if (answerTypes.includes('text/event-stream')) return 'It is a stream: poll with session_get_status instead.';
  if (bodyType === 'multipart/form-data') return 'It takes a file, which tool calls do not carry: use the REST API.';
  if (answerTypes.length > 0 && !answerTypes.some((type) => TEXTUAL.test(type))) {
    return `It answers with ${answerTypes.join(' or ')}, which tool results do not carry: use the REST API.`;
  }
  return undefined;
}

function schemasIn(root: unknown, all: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const open: unknown[] = [root];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    JSON.stringify(next, (key, value: unknown) => {
      if (key !== '$ref' || typeof value !== 'string' || !value.startsWith(COMPONENT)) return value;
      const name = value.slice(COMPONENT.length);
      if (!(name in found) && all[name] !== undefined) {
        found[name] = all[name];
        open.push(all[name]);
      }
      return value;
    });
  }
  return found;
}
