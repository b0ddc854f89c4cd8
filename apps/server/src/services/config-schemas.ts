import type { JsonObject } from '@everruns/agent';
import type { Ajv2020, ValidateFunction } from 'ajv/dist/2020.js';

/** Where a value does not fit its schema: `path` is dotted and empty for the value itself. */
export interface SchemaMismatch {
  path: string;
  message: string;
}

export interface ConfigSchemas {
  /** The first mismatch, or null. Schemas come from our own capabilities, never from a request. */
  check(schema: JsonObject, value: unknown): Promise<SchemaMismatch | null>;
}

/** Validates against JSON Schema 2020-12. The validator is loaded with the first schema and each schema is compiled once. */
export function createConfigSchemas(): ConfigSchemas {
  const compiled = new WeakMap<JsonObject, ValidateFunction>();
  let loading: Promise<Ajv2020> | undefined;
  return {
    async check(schema, value) {
      loading ??= import('ajv/dist/2020.js').then((module) => new module.Ajv2020({ strict: false, validateFormats: false }));
      const ajv = await loading;
      let validate = compiled.get(schema);
      if (validate === undefined) {
        const { $schema: _dialect, ...rest } = schema;
        validate = ajv.compile(rest);
        compiled.set(schema, validate);
      }
      if (validate(value)) return null;
      const [error] = validate.errors ?? [];
      return { path: dotted(error?.instancePath ?? ''), message: sentence(error) };
    },
  };
}

function dotted(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.');
}

interface SchemaError {
  keyword: string;
  message?: string;
  params: Record<string, unknown>;
}

function sentence(error: SchemaError | undefined): string {
  if (error === undefined) return 'This does not fit its schema.';
  if (error.keyword === 'additionalProperties') return `There is no option "${String(error.params['additionalProperty'])}".`;
  if (error.keyword === 'enum') return `Expected one of ${JSON.stringify(error.params['allowedValues'])}.`;
  const text = error.message ?? 'does not fit its schema';
  return `This ${text}.`;
}
