import { z } from 'zod';
import type { Caller } from '../http/caller.ts';
import type { CallApi } from './api-calls.ts';
import type { OperationCatalogue } from './operations.ts';
import { invalidInput } from './tool-errors.ts';

/** What a tool works with in one call: everything it does goes through `callApi`, in the organization that was chosen. */
export interface ToolContext {
  callApi: CallApi;
  caller: Caller;
  /** Public id; absent when the user is a member of none. */
  organizationId: string | undefined;
  operations: OperationCatalogue;
  runs: RunKeys;
}

/** Which session a run was given, by the id that the client chose for its first message: a repeated call finds it again. */
export interface RunKeys {
  find(key: RunKey): Promise<string | null>;
  /** The session that the key stands for from now on: the given one, unless another call was first. */
  keep(key: RunKey, sessionId: string): Promise<string>;
}

export interface RunKey {
  userId: string;
  /** Public id. */
  organizationId: string;
  clientMessageId: string;
}

export interface Tool {
  name: string;
  title: string;
  description: string;
  /** JSON Schemas as a client gets them. */
  inputSchema: JsonSchema;
  outputSchema: JsonSchema;
  annotations: { readOnlyHint: boolean; destructiveHint: boolean; idempotentHint?: boolean; openWorldHint: false };
  timeoutMs: number;
  /** Whether it works in an organization, and so takes `organization_id`. */
  isScoped: boolean;
  run(context: ToolContext, input: unknown): Promise<Record<string, unknown>>;
}

export interface JsonSchema {
  [member: string]: unknown;
  type: 'object';
}

export const OrganizationId = z
  .string()
  .regex(/^org_[0-9a-f]{32}$/, 'Expected org_ and 32 hex digits.')
  .describe('The organization to work in; by default the one of the credential, or the first one that you are a member of');

interface ToolDefinition<I extends z.ZodObject, O extends z.ZodObject> extends Omit<
  Tool,
  'inputSchema' | 'outputSchema' | 'run' | 'annotations'
> {
  input: I;
  output: O;
  changes: 'nothing' | 'adds' | 'destroys';
  isIdempotent?: boolean;
  run: (context: ToolContext, input: z.output<I>) => Promise<z.input<O>>;
}

/** Clients check what they get by the schema, also when it says what went wrong: so a failure is a form of the answer. */
const FAILURE = {
  properties: {
    code: { type: 'string' },
    category: { type: 'string' },
    retryable: { type: 'boolean' },
    message: { type: 'string' },
    retry_after_seconds: { type: 'number' },
    hint: { type: 'string' },
  },
  required: ['code', 'category', 'retryable', 'message'],
};

export function defineTool<I extends z.ZodObject, O extends z.ZodObject>(definition: ToolDefinition<I, O>): Tool {
  const { input, output, changes, isIdempotent, run, ...rest } = definition;
  const whole = definition.isScoped ? input.extend({ organization_id: OrganizationId.optional() }) : input;
  const { $schema: _schema, ...inputSchema } = z.toJSONSchema(whole, { io: 'input' });
  const { $schema: _other, required, ...outputSchema } = z.toJSONSchema(output, { io: 'input' });
  return {
    ...rest,
    inputSchema: inputSchema as JsonSchema,
    outputSchema: {
      type: 'object',
      properties: { ...FAILURE.properties, ...(outputSchema['properties'] as object) },
      anyOf: [{ required: required ?? [] }, { required: FAILURE.required }],
    },
    annotations: {
      readOnlyHint: changes === 'nothing',
      destructiveHint: changes === 'destroys',
      ...(isIdempotent === undefined ? {} : { idempotentHint: isIdempotent }),
      openWorldHint: false,
    },
    run: (context, given) => {
      const parsed = whole.safeParse(given ?? {});
      if (!parsed.success) throw invalidInput(wordsOf(parsed.error));
      return run(context, parsed.data as z.output<I>);
    },
  };
}

function wordsOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`)).join('; ');
}
