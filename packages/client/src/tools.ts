import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';

export interface ToolContext {
  sessionId: string;
  /** The same for a call that is made again: use it as an idempotency key. */
  toolCallId: string;
  /** Whoever waits for the turn has given up. */
  signal: AbortSignal | undefined;
}

type JsonSchema = Readonly<Record<string, unknown>>;

/** A schema that can both check arguments and describe itself, such as one of zod 4. */
export type ParameterSchema<T> = StandardSchemaV1<unknown, T> & StandardJSONSchemaV1<unknown, T>;

export interface ClientTool {
  readonly definition: { type: 'client_side'; name: string; description: string; parameters: Record<string, unknown> };
  /** The result for the model; throws what it should be told. */
  run(args: unknown, context: ToolContext): Promise<unknown>;
}

export interface ToolSpec<T> {
  name: string;
  /** For the model: what it is for and when to use it. */
  description: string;
  /** JSON Schema, or a schema of a library that knows Standard Schema and Standard JSON Schema: then arguments are checked and typed. */
  parameters: ParameterSchema<T> | JsonSchema;
  run: (args: T, context: ToolContext) => unknown;
}

/** A tool that the model calls and your program runs. */
export function clientTool<T = Record<string, unknown>>({ name, description, parameters, run }: ToolSpec<T>): ClientTool {
  const schema = '~standard' in parameters ? (parameters as ParameterSchema<T>)['~standard'] : null;
  const described = schema === null ? (parameters as JsonSchema) : schema.jsonSchema.input({ target: 'draft-2020-12' });
  return {
    definition: { type: 'client_side', name, description, parameters: { ...described } },
    async run(args, context) {
      if (schema === null) return run(args as T, context);
      const checked = await schema.validate(args);
      if (checked.issues !== undefined) throw new Error(`The arguments are not right: ${checked.issues.map(sentence).join('; ')}.`);
      return run(checked.value, context);
    },
  };
}

function sentence({ path, message }: StandardSchemaV1.Issue): string {
  const place = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return place === '' ? message : `${place}: ${message}`;
}
