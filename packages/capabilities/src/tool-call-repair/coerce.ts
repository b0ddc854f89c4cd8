import type { JsonObject } from '@everruns/agent/capability';
import type { Json } from '@everruns/agent/model';
import { checkArguments } from '@everruns/agent/tools/check-arguments';

/**
 * The arguments with values of another type than the schema wants turned into it where only one reading is possible: "5" into 5, "true" into
 * true, 5 into "5", JSON in a string into the list or object, one value into a list of it. Null when that does not make them valid.
 */
export function coerceArguments(schema: JsonObject, args: JsonObject): JsonObject | null {
  const coerced = members(schema, args);
  return checkArguments(schema, coerced).length === 0 ? coerced : null;
}

function members(schema: JsonObject, value: JsonObject): JsonObject {
  const properties = isObject(schema.properties) ? schema.properties : {};
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      const own = Object.hasOwn(properties, key) ? properties[key] : undefined;
      return [key, isObject(own) ? coerce(own, member) : member];
    }),
  );
}

function coerce(schema: JsonObject, value: Json): Json {
  const read = typeof value === 'string' ? ofText(schema.type, value) : value;
  if (schema.type === 'string' && (typeof read === 'number' || typeof read === 'boolean')) return String(read);
  if (schema.type === 'array') {
    const items = Array.isArray(read) ? read : read === null || isObject(read) ? null : [read];
    const { items: itemSchema } = schema;
    return items === null ? read : items.map((item) => (isObject(itemSchema) ? coerce(itemSchema, item) : item));
  }
  return isObject(read) ? members(schema, read) : read;
}

function ofText(type: Json | undefined, text: string): Json {
  const trimmed = text.trim();
  if (type === 'integer' || type === 'number') return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : text;
  if (type === 'boolean') return /^(true|false)$/i.test(trimmed) ? trimmed.toLowerCase() === 'true' : text;
  return type === 'array' || type === 'object' ? (parsed(trimmed) ?? text) : text;
}

function parsed(text: string): Json | null {
  if (!/^[[{]/.test(text)) return null;
  try {
    return JSON.parse(text) as Json;
  } catch {
    // It stays the text that it is; the tool says what it wants instead.
    return null;
  }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
