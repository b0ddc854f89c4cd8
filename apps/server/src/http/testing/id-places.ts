import type { IsolationRequest } from './isolation-requests.ts';

/** Where an operation takes an id, as the OpenAPI document has it, and which of these places requests of a test fill. */

interface Schema {
  $ref?: string;
  type?: string | string[];
  pattern?: string;
  format?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
}

export interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

interface Operation {
  operationId: string;
  parameters?: { in: string; name: string; schema: Schema }[];
  requestBody?: { content?: Record<string, { schema?: Schema }> };
}

const MAX_DEPTH = 8;
const LOOKS_LIKE_AN_ID = /\[0-9a-f\]\{32\}|\[0-9a-fA-F\]\{12\}/;
const NAMED_LIKE_AN_ID = /(^|_)ids?($|_)/;

/** `operationId path:name`, `operationId ?name` or `operationId body.member` of every place that takes an id. */
export function idPlaces(document: Document): string[] {
  const found = new Set<string>();
  for (const { operationId, parameters = [], requestBody } of operationsOf(document).map(({ operation }) => operation)) {
    for (const { in: kind, name, schema } of parameters) {
      if (kind === 'header' || !takesId(document, name, schema)) continue;
      found.add(`${operationId} ${kind === 'path' ? 'path:' : '?'}${name}`);
    }
    for (const { schema } of Object.values(requestBody?.content ?? {})) {
      if (schema !== undefined) collect(document, { schema, place: 'body', depth: 0 }, (place) => found.add(`${operationId} ${place}`));
    }
  }
  return [...found].sort();
}

function operationsOf(document: Document): { method: string; path: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

function resolved({ components }: Document, schema: Schema): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return name === undefined ? schema : (components.schemas[name] ?? {});
}

function takesId(document: Document, name: string, given: Schema): boolean {
  const schema = resolved(document, given);
  if (schema.format === 'uuid' || LOOKS_LIKE_AN_ID.test(schema.pattern ?? '')) return true;
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  if (parts.length > 0) return parts.some((part) => takesId(document, name, part));
  return NAMED_LIKE_AN_ID.test(name) && [schema.type].flat().includes('string');
}

interface Visit {
  schema: Schema;
  place: string;
  depth: number;
}

function collect(document: Document, { schema: given, place, depth }: Visit, found: (place: string) => void): void {
  if (depth > MAX_DEPTH) return;
  const schema = resolved(document, given);
  const name = place.split('.').findLast((part) => part !== '[]' && part !== '*') ?? '';
  if (takesId(document, name, given)) found(place);
  const visit = (part: Schema, below: string): void => collect(document, { schema: part, place: below, depth: depth + 1 }, found);
  for (const [member, part] of Object.entries(schema.properties ?? {})) visit(part, `${place}.${member}`);
  if (schema.items !== undefined) visit(schema.items, `${place}.[]`);
  if (typeof schema.additionalProperties === 'object') visit(schema.additionalProperties, `${place}.*`);
  for (const part of [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]) visit(part, place);
}

/** The places that a request fills with something of another organization: of several path parameters the first one. */
export function filledPlaces(document: Document, [method, path, body]: IsolationRequest): string[] {
  const [route = '', query = ''] = path.split('?');
  const candidates = operationsOf(document).filter((one) => one.method === method && patternOf(one.path).test(route));
  const [best] = candidates.toSorted((a, b) => literalsOf(b.path) - literalsOf(a.path));
  if (best === undefined) return [`no operation: ${method} ${path}`];
  const { operationId } = best.operation;
  const names = [...best.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  const values = patternOf(best.path).exec(route)?.slice(1) ?? [];
  const foreign = values.findIndex(isForeign);
  const queries = [...new URLSearchParams(query)].filter(([, value]) => isForeign(value)).map(([name]) => `?${name}`);
  const places = [...(foreign < 0 ? [] : [`path:${names[foreign]}`]), ...queries, ...filledMembers(body, 'body')];
  return places.map((place) => `${operationId} ${place}`);
}

function patternOf(path: string): RegExp {
  const source = path
    .replace(/[.*+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{(\w+)\}/g, (_all, name: string) => (name === 'path' ? '(.*)' : '([^/]+)'));
  return new RegExp(`^${source}$`);
}

function literalsOf(path: string): number {
  return path.split('/').filter((part) => !part.startsWith('{')).length;
}

function isForeign(value: unknown): boolean {
  return typeof value === 'string' && /\{(?!own_)\w+\}/.test(value);
}

function filledMembers(value: unknown, place: string): string[] {
  if (isForeign(value)) return [place];
  if (Array.isArray(value)) return value.flatMap((one) => filledMembers(one, `${place}.[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([member, one]) => filledMembers(one, `${place}.${member}`));
}
