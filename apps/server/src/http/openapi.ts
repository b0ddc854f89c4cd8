import swagger from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
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
      const transformed = jsonSchemaTransform(document);
      const schema = transformed.schema as { response?: Record<string, unknown>; hide?: boolean } | undefined;
      if (schema?.response !== undefined) schema.response = { ...schema.response, default: PROBLEM_RESPONSE };
      return transformed;
    },
    transformObject: jsonSchemaTransformObject,
  });
}

/** Routes of the root: the document itself. */
export function openApiRoute(app: Api): void {
  let text: string | undefined;
  app.get('/api-doc/openapi.json', { schema: { hide: true }, config: { open: true, cache: 'entity' } }, async (_request, reply) => {
    text ??= JSON.stringify(app.swagger());
    return reply.type('application/json').send(text);
  });
}
