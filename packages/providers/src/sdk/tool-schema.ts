import type { Json, ModelTool } from '@everruns/agent/model';

type Schema = ModelTool['parameters'];

/** The least that every provider takes for arguments: an object that says which properties it has, be it none. */
export function asObjectSchema(parameters: Schema): Schema {
  return { type: 'object', properties: {}, ...parameters };
}

/**
 * Drops patterns with look-arounds, which OpenAI's schema compiler refuses together with the whole request. The pattern was advice to the
 * model; what a tool accepts is still checked by the tool.
 */
export function withoutLookArounds(parameters: Schema): Schema {
  return dropPatterns(parameters) as Schema;
}

function dropPatterns(value: Json): Json {
  if (Array.isArray(value)) return value.map(dropPatterns);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(
    ([key, inner]) => !(key === 'pattern' && typeof inner === 'string' && /\(\?<?[=!]/.test(inner)),
  );
  return Object.fromEntries(kept.map(([key, inner]) => [key, dropPatterns(inner)]));
}
