/**
 * JSON that PostgreSQL's `jsonb` takes. Models and tools may say what it refuses: NUL, and halves of characters. Each becomes the replacement
 * character, in keys too; nobody can use them, and a step whose result cannot be stored would never end.
 */
export function storableJson(value: unknown): string {
  const json = JSON.stringify(value);
  // Only control characters and lone surrogates are written as \u escapes at all.
  return json.includes('\\u') && UNSTORABLE.test(json) ? JSON.stringify(storable(value)) : json;
}

const UNSTORABLE = /\\u(?:0000|d[89a-f])/;

function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\u0000', '\uFFFD');
  if (Array.isArray(value)) return value.map(storable);
  if (value === null || typeof value !== 'object' || 'toJSON' in value) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storable(key), storable(inner)]));
}
