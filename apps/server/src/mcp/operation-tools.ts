import { z } from 'zod';
import type { ApiAnswer, ApiCall } from './api-calls.ts';
import type { Operation, OperationCatalogue } from './operations.ts';
import { invalidInput, ToolError } from './tool-errors.ts';
import { defineTool } from './tool.ts';
import type { Tool, ToolContext } from './tool.ts';

/** The whole REST API through three tools: look for an operation, run one that only reads, run any. */

const DISCOVER_MS = 10_000;
const RUN_MS = 65_000;
export const MAX_ANSWER_BYTES = 65_536;
const DEFAULT_RESULTS = 10;
const MAX_RESULTS = 50;
/** With so few results each comes with its schemas. */
const DETAILED_RESULTS = 3;

export function operationTools(): Tool[] {
  return [discover(), query(), execute()];
}

const Found = z.object({
  operation: z.string(),
  summary: z.string(),
  category: z.string(),
  method: z.string(),
  path: z.string(),
  read_only: z.boolean().describe('The tool query runs it; others need execute'),
  permission: z.string().describe('What it asks of the caller'),
  usage: z.string().describe('What path, query and body take'),
  not_runnable: z.string().optional().describe('Why neither tool runs it'),
  parameters: z.array(z.unknown()).optional(),
  body: z.unknown().optional().describe('JSON Schema of body'),
  answer: z.unknown().optional().describe('JSON Schema of the answer'),
});

function discover(): Tool {
  return defineTool({
    name: 'discover',
    title: 'Find an operation',
    description:
      'Searches the operations of the API by words, or shows one with its schemas. The tools query and execute run what is found here.',
    changes: 'nothing',
    timeoutMs: DISCOVER_MS,
    isScoped: false,
    input: z.object({
      search: z.string().max(200).optional().describe('Words, all of which occur in the id, the summary, the category or the path'),
      operation: z.string().max(100).optional().describe('Exactly this one, with its schemas'),
      category: z.string().max(100).optional(),
      read_only: z.boolean().optional().describe('Only those that only read, or only the others'),
      limit: z.int().min(1).max(MAX_RESULTS).default(DEFAULT_RESULTS),
      offset: z.int().min(0).default(0),
    }),
    output: z.object({
      total: z.number(),
      operations: z.array(Found),
      categories: z.array(z.string()).optional(),
      schemas: z.record(z.string(), z.unknown()).optional().describe('What "#/components/schemas/..." in the schemas above refers to'),
      note: z.string().optional(),
    }),
    run: async ({ operations }, input) => {
      const found = matching(operations.all(), input);
      const page = found.slice(input.offset, input.offset + input.limit);
      const detailed = page.length <= DETAILED_RESULTS;
      const listed = page.map((operation) => ({ ...briefly(operation), ...(detailed ? inDetail(operation) : {}) }));
      const brief = { total: found.length, operations: listed };
      if (found.length === 0) return { ...brief, categories: [...new Set(operations.all().map(({ category }) => category))].sort() };
      if (!detailed) return { ...brief, note: 'Give operation for the schemas of one.' };
      const whole = { ...brief, schemas: operations.schemasIn(listed) };
      if (Buffer.byteLength(JSON.stringify(whole)) <= MAX_ANSWER_BYTES) return whole;
      return {
        total: found.length,
        operations: page.map(briefly),
        note: 'The schemas are too long for an answer: give operation for one of them, or read /api-doc/openapi.json.',
      };
    },
  });
}

interface Search {
  search?: string | undefined;
  operation?: string | undefined;
  category?: string | undefined;
  read_only?: boolean | undefined;
}

function matching(all: readonly Operation[], { search = '', operation, category, read_only }: Search): Operation[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return all
    .filter(({ id }) => operation === undefined || id === operation)
    .filter((one) => category === undefined || one.category.toLowerCase() === category.toLowerCase())
    .filter(({ isReadOnly }) => read_only === undefined || isReadOnly === read_only)
    .map((one) => ({ one, rank: rankOf(one, words) }))
    .filter(({ rank }) => rank >= 0)
    .toSorted((a, b) => b.rank - a.rank)
    .map(({ one }) => one);
}

/** Below zero when a word is missing; words of the id and the summary weigh more than those of the path. */
function rankOf({ id, summary, category, path }: Operation, words: readonly string[]): number {
  const near = `${id} ${summary}`.toLowerCase();
  const far = `${category} ${path}`.toLowerCase();
  let rank = 0;
  for (const word of words) {
    if (near.includes(word)) rank += 2;
    else if (far.includes(word)) rank += 1;
    else return -1;
  }
  return rank;
}

function briefly(operation: Operation): z.input<typeof Found> {
  const { id, summary, category, method, path, isReadOnly, policy, refusal } = operation;
  const usage = usageOf(operation);
  return {
    operation: id,
    summary,
    category,
    method,
    path,
    read_only: isReadOnly,
    permission: policy,
    usage,
    ...(refusal === undefined ? {} : { not_runnable: refusal }),
  };
}

function inDetail({ parameters, body, answer }: Operation): Partial<z.input<typeof Found>> {
  return { parameters, ...(body === undefined ? {} : { body: body.schema }), ...(answer === undefined ? {} : { answer }) };
}

/** Such as `path: {id}, query: {limit?, offset?}, body: JSON`. */
function usageOf({ parameters, body }: Operation): string {
  const of = (place: string): string =>
    parameters
      .filter((parameter) => parameter.in === place)
      .map(({ name, required }) => (required ? name : `${name}?`))
      .join(', ');
  const parts = [
    ...['path', 'query'].flatMap((place) => (of(place) === '' ? [] : [`${place}: {${of(place)}}`])),
    ...(body === undefined ? [] : [`body${body.isRequired ? '' : '?'}: ${body.type === 'application/json' ? 'JSON' : 'text'}`]),
  ];
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}

const Run = z.object({
  operation: z.string().max(100).describe('As discover names it, e.g. listAgents'),
  path: z.record(z.string(), z.string()).optional().describe('Values of the parameters in the path'),
  query: z.record(z.string(), z.unknown()).optional(),
  body: z.unknown().optional(),
});
const Answer = z.object({
  status: z.number(),
  body: z.unknown().optional().describe('When it is JSON'),
  text: z.string().optional().describe('When it is something else, or cut'),
  is_cut: z.boolean().optional(),
  note: z.string().optional(),
});

function query(): Tool {
  return defineTool({
    name: 'query',
    title: 'Run an operation that only reads',
    description: 'Runs one operation of the API that changes nothing. Find it with discover.',
    changes: 'nothing',
    timeoutMs: RUN_MS,
    isScoped: true,
    input: Run,
    output: Answer,
    async run(context, input) {
      const operation = required(context.operations, input.operation);
      if (!operation.isReadOnly) {
        throw new ToolError({
          code: 'not_read_only',
          category: 'input',
          retryable: false,
          message: `${operation.id} changes something.`,
          hint: 'Run it with execute.',
        });
      }
      return runOperation(context, operation, input);
    },
  });
}

function execute(): Tool {
  return defineTool({
    name: 'execute',
    title: 'Run any operation',
    description: 'Runs one operation of the API, also one that makes, changes or deletes. Find it with discover.',
    changes: 'destroys',
    timeoutMs: RUN_MS,
    isScoped: true,
    input: Run,
    output: Answer,
    run: async (context, input) => runOperation(context, required(context.operations, input.operation), input),
  });
}

function required(operations: OperationCatalogue, id: string): Operation {
  const operation = operations.find(id);
  if (operation === undefined) {
    throw new ToolError({
      code: 'unknown_operation',
      category: 'not_found',
      retryable: false,
      message: `There is no operation ${JSON.stringify(id)}.`,
      hint: 'Search with discover.',
    });
  }
  if (operation.refusal === undefined) return operation;
  throw new ToolError({
    code: 'not_runnable',
    category: 'input',
    retryable: false,
    message: `${id} does not run here. ${operation.refusal}`,
  });
}

async function runOperation({ callApi }: ToolContext, operation: Operation, input: z.infer<typeof Run>): Promise<z.infer<typeof Answer>> {
  return bounded(operation, await callApi(toCall(operation, input)));
}

/** Throws `ToolError` for arguments that the operation has no place for: they would be lost without a word. */
export function toCall(
  operation: Operation,
  { path = {}, query: asked = {}, body }: Pick<z.infer<typeof Run>, 'path' | 'query' | 'body'>,
): ApiCall {
  for (const [place, given] of [
    ['path', path],
    ['query', asked],
  ] as const) {
    const known = new Set(operation.parameters.filter((parameter) => parameter.in === place).map(({ name }) => name));
    const unknown = Object.keys(given).find((name) => !known.has(name));
    if (unknown !== undefined) throw invalidInput(`${operation.id} has no ${unknown} in ${place}.`, `It takes ${usageOf(operation)}.`);
  }
  if (body !== undefined && operation.body === undefined) throw invalidInput(`${operation.id} takes no body.`);
  if (operation.body?.type === 'text/plain' && typeof body !== 'string') throw invalidInput(`The body of ${operation.id} is a text.`);
  const url = operation.path.replace(/\{([^}]+)\}/g, (_match, name: string) => encoded(name, path[name], operation));
  // A JSON text is a value like any other, so it is written out here.
  const sent = typeof body === 'string' && operation.body?.type === 'application/json' ? parsedOr(body) : body;
  return { method: operation.method, path: url, query: asked, ...(sent === undefined ? {} : { body: sent }) };
}

/** Clients that are models sometimes write an object out as a text. */
function parsedOr(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    throw invalidInput('body is JSON, not a text.');
  }
}

/** One segment, or the rest of a path; never one that leads to another route. */
function encoded(name: string, value: string | undefined, operation: Operation): string {
  if (value === undefined || value === '') throw invalidInput(`path.${name} is missing.`, `It takes ${usageOf(operation)}.`);
  const segments = name === 'path' ? value.split('/') : [value];
  if (segments.some((segment) => segment === '.' || segment === '..'))
    throw invalidInput(`path.${name} must not contain "." or ".." as a segment.`);
  return segments.map(encodeURIComponent).join('/');
}

function bounded(operation: Operation, { status, text, json }: ApiAnswer): z.infer<typeof Answer> {
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_ANSWER_BYTES) return { status, ...(json === undefined ? (text === '' ? {} : { text }) : { body: json }) };
  const names = operation.parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  const paging = names.filter((name) => /^(limit|offset|since_id|after_sequence|before_sequence|search|types)$/.test(name));
  const how = paging.length === 0 ? 'use the REST API for all of it' : `ask for less with ${paging.join(', ')}`;
  return {
    status,
    text: Buffer.from(text).subarray(0, MAX_ANSWER_BYTES).toString('utf8').replace(/�$/, ''),
    is_cut: true,
    note: `The answer has ${bytes} bytes and is cut after ${MAX_ANSWER_BYTES}: ${how}.`,
  };
}
