import { isRecord } from '../objects.ts';

const MAX_PROBLEMS = 5;
const MAX_DEPTH = 20;

/**
 * What is wrong with a call's arguments, in words for the model; empty when nothing is. Covers what models get wrong (missing and unknown
 * fields, types, enumerations, nested to any object or list); a tool still checks what its schema cannot say.
 */
export function checkArguments(schema: Record<string, unknown>, value: unknown): string[] {
  const problems: string[] = [];
  check(schema, value, { path: '', depth: 0, problems });
  return problems.slice(0, MAX_PROBLEMS);
}

interface Place {
  path: string;
  depth: number;
  problems: string[];
}

function check(schema: Record<string, unknown>, value: unknown, place: Place): void {
  if (place.problems.length >= MAX_PROBLEMS || place.depth > MAX_DEPTH) return;
  const name = place.path === '' ? 'the arguments' : `"${place.path}"`;
  const types = typeof schema.type === 'string' ? [schema.type] : Array.isArray(schema.type) ? schema.type.map(String) : null;
  if (types !== null && !types.some((type) => hasType(type, value))) {
    place.problems.push(`${name} must be ${types.join(' or ')}, received ${describe(value)}`);
    return;
  }
  if (Array.isArray(schema.enum) && !schema.enum.some((allowed) => allowed === value)) {
    place.problems.push(
      `${name} must be one of ${schema.enum.map((allowed) => JSON.stringify(allowed)).join(', ')}, received ${describe(value)}`,
    );
    return;
  }
  if (isRecord(value)) checkMembers(schema, value, place);
  if (Array.isArray(value) && isRecord(schema.items)) {
    for (const [index, item] of value.entries()) check(schema.items, item, inside(place, `${place.path}[${index}]`));
  }
}

function checkMembers(schema: Record<string, unknown>, value: Record<string, unknown>, place: Place): void {
  const known = isRecord(schema.properties) ? schema.properties : {};
  const pathOf = (key: string) => (place.path === '' ? key : `${place.path}.${key}`);
  for (const key of Array.isArray(schema.required) ? schema.required : []) {
    if (typeof key === 'string' && !Object.hasOwn(value, key)) place.problems.push(`"${pathOf(key)}" is missing`);
  }
  for (const [key, member] of Object.entries(value)) {
    const memberSchema = Object.hasOwn(known, key) ? known[key] : undefined;
    if (isRecord(memberSchema)) check(memberSchema, member, inside(place, pathOf(key)));
    else if (memberSchema === undefined && schema.additionalProperties === false) place.problems.push(`"${pathOf(key)}" is not known`);
  }
}

function inside(place: Place, path: string): Place {
  return { path, depth: place.depth + 1, problems: place.problems };
}

function hasType(type: string, value: unknown): boolean {
  switch (type) {
    case 'object':
      return isRecord(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'null':
      return value === null;
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type;
    default:
      return true;
  }
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}...`;
}
