import swagger from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { ZodType } from 'zod';
import { summaryOf } from './operation-summaries.ts';
import { PROBLEM_TYPE } from './problems.ts';
import type { Api } from './types.ts';

export interface OpenApiOptions {
  /** Where the REST API is mounted; the document's paths are relative to it. */
  apiPrefix: string;
  version: string;
}

const PROBLEM_RESPONSE = {
  description: 'Problem (RFC 9457)',
  content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** Must be registered before the routes that it describes. */
export async function documentRoutes(app: Api, { apiPrefix, version }: OpenApiOptions): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Everruns API', version, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: apiPrefix === '' ? '/' : apiPrefix }],
      components: {
        securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'Authorization', description: 'Bearer token, or the bare token' } },
      },
      security: [{ token: [] }],
    },
    transform: (document) => {
      const { zod, plain } = separated((document.schema ?? {}) as RouteSchema);
      if (document.route.config?.open === true) plain['security'] = [];
      const { operationId } = zod;
      if (zod['summary'] === undefined && typeof operationId === 'string') plain['summary'] = summaryOf(operationId);
      if (takesText(zod)) plain['body'] = { type: 'string' };
      if (takesForm(zod)) plain['body'] = FORM;
      const transformed = jsonSchemaTransform({ ...document, schema: zod as typeof document.schema });
      const schema = transformed.schema as RouteSchema & { hide?: boolean };
      const response = { ...schema.response, ...plain.response };
      const answers = Object.keys(response).length === 0 ? {} : { response: { ...response, default: PROBLEM_RESPONSE } };
      return { ...transformed, schema: { ...schema, ...plain, ...answers } as typeof transformed.schema };
    },
    transformObject: (document) =>
      tidy(jsonSchemaTransformObject(document) as unknown as Document) as ReturnType<typeof jsonSchemaTransformObject>,
  });
}

/** Routes that take text parse it themselves, so they have no schema for it. */
function takesText({ consumes, body }: RouteSchema): boolean {
  return body === undefined && Array.isArray(consumes) && consumes.every((type) => String(type).startsWith('text/'));
}

/** A form with one file, which the route reads itself. */
function takesForm({ consumes, body }: RouteSchema): boolean {
  return body === undefined && Array.isArray(consumes) && consumes.includes('multipart/form-data');
}

const FORM = { type: 'object', properties: { file: { type: 'string', contentMediaType: 'application/octet-stream' } }, required: ['file'] };

interface RouteSchema {
  [part: string]: unknown;
  response?: Record<string, unknown>;
}

/** Routes of plugins may describe themselves in plain JSON Schema, which is what the document wants anyway. */
function separated(schema: RouteSchema): { zod: RouteSchema; plain: RouteSchema } {
  const zod: RouteSchema = { ...schema, response: {} };
  const plain: RouteSchema = {};
  for (const part of ['headers', 'querystring', 'body', 'params']) {
    if (schema[part] === undefined || schema[part] instanceof ZodType) continue;
    plain[part] = schema[part];
    delete zod[part];
  }
  for (const [status, answer] of Object.entries(schema.response ?? {})) {
    const target = isZodAnswer(answer) ? zod : plain;
    target.response = { ...target.response, [status]: answer };
  }
  return { zod, plain };
}

function isZodAnswer(answer: unknown): boolean {
  if (answer instanceof ZodType) return true;
  const content = (answer as { content?: Record<string, { schema?: unknown }> }).content;
  return content !== undefined && Object.values(content).every(({ schema }) => schema instanceof ZodType);
}

const COMPONENT = '#/components/schemas/';

interface Document {
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

interface Operation {
  parameters?: { in?: string; name?: string }[];
  requestBody?: { required?: boolean; content?: Record<string, { schema?: Schema }> };
}

interface Schema {
  $ref?: string;
  required?: readonly string[];
  type?: unknown;
}

/**
 * Every registered schema comes in two variants, as a request and as a response; only those that are used stay. The request's loses its
 * suffix `Input` where there is no response of that name. Responses may get new members at any time, so nothing says that there are no
 * others; and a body whose members are all optional may be left out. A path's rest, which has no name to the router, gets one.
 */
function tidy(document: Document): Document {
  const all = document.components?.schemas ?? {};
  for (const { requestBody, parameters = [] } of Object.values(document.paths ?? {}).flatMap((methods) => Object.values(methods))) {
    for (const parameter of parameters) if (parameter.in === 'path' && parameter.name === '*') parameter.name = 'path';
    if (requestBody !== undefined)
      requestBody.required = Object.values(requestBody.content ?? {}).some(({ schema }) => needsBody(schema, all));
  }
  const used = new Set<string>();
  const open: unknown[] = [document.paths];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const name of referencesIn(next)) {
      if (used.has(name)) continue;
      used.add(name);
      open.push(all[name]);
    }
  }
  const renamed = new Map(
    [...used].map((name) => [name, name.endsWith('Input') && !used.has(name.slice(0, -5)) ? name.slice(0, -5) : name]),
  );
  const schemas = Object.fromEntries([...used].sort().map((name) => [renamed.get(name) as string, all[name]]));
  const paths = Object.fromEntries(Object.entries(document.paths ?? {}).map(([path, methods]) => [path.replace('{*}', '{path}'), methods]));
  const text = JSON.stringify({ ...document, paths, components: { ...document.components, schemas } }, (key, value: unknown) => {
    if (key === 'additionalProperties' && value === false) return undefined;
    if (key !== '$ref' || typeof value !== 'string' || !value.startsWith(COMPONENT)) return value;
    return COMPONENT + (renamed.get(value.slice(COMPONENT.length)) ?? value.slice(COMPONENT.length));
  });
  return JSON.parse(text) as Document;
}

function needsBody(schema: Schema | undefined, all: Readonly<Record<string, Schema>>): boolean {
  const resolved = schema?.$ref === undefined ? schema : all[schema.$ref.slice(COMPONENT.length)];
  return resolved?.type !== 'object' || (resolved.required ?? []).length > 0;
}

function referencesIn(root: unknown): string[] {
  const found: string[] = [];
  JSON.stringify(root, (key, value: unknown) => {
    if (key === '$ref' && typeof value === 'string' && value.startsWith(COMPONENT)) found.push(value.slice(COMPONENT.length));
    return value;
  });
  return found;
}

/** Routes of the root: the document itself. */
export function openApiRoute(app: Api): void {
  let text: string | undefined;
  app.get('/api-doc/openapi.json', { schema: { hide: true }, config: { open: true, cache: 'entity' } }, async (_request, reply) => {
    text ??= JSON.stringify(app.swagger());
    return reply.type('application/json').send(text);
  });
}
