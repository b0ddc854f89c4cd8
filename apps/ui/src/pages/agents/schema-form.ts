/** How a member of a configuration is entered. Whatever has no form of its own is entered as JSON. */
export type FormField = FieldBase &
  (
    | { kind: 'text' | 'check' | 'texts' | 'json' }
    | { kind: 'number'; min?: number; max?: number; isWhole: boolean }
    | { kind: 'choice' | 'checks'; choices: readonly string[] }
    | { kind: 'group'; fields: readonly FormField[] }
  );

interface FieldBase {
  name: string;
  label: string;
  about?: string;
  isRequired: boolean;
  /** What holds when nothing is entered. */
  byDefault?: unknown;
}

export type Config = Readonly<Record<string, unknown>>;

interface Schema {
  type?: string | readonly string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  minimum?: number;
  maximum?: number;
  items?: Schema;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
}

/** The fields of a JSON Schema. Null: the schema does not say what can be entered. */
export function fieldsOf(given: unknown): readonly FormField[] | null {
  const { properties, required = [] } = (given ?? {}) as Schema;
  if (properties === undefined) return null;
  return Object.entries(properties).map(([name, schema]) => fieldOf(name, schema, required.includes(name)));
}

function fieldOf(name: string, schema: Schema, isRequired: boolean): FormField {
  const base: FieldBase = {
    name,
    label: schema.title ?? words(name),
    isRequired,
    ...(schema.description !== undefined && { about: schema.description }),
    ...(schema.default !== undefined && { byDefault: schema.default }),
  };
  const types = typeOf(schema);
  if (types.length !== 1) return { ...base, kind: 'json' };
  if (isTexts(schema.enum)) return { ...base, kind: 'choice', choices: schema.enum };
  switch (types[0]) {
    case 'string':
      return { ...base, kind: 'text' };
    case 'boolean':
      return { ...base, kind: 'check' };
    case 'integer':
    case 'number':
      return {
        ...base,
        kind: 'number',
        isWhole: types[0] === 'integer',
        ...(schema.minimum !== undefined && { min: schema.minimum }),
        ...(schema.maximum !== undefined && { max: schema.maximum }),
      };
    case 'array':
      return arrayField(base, schema.items);
    case 'object': {
      const fields = fieldsOf(schema);
      return fields === null ? { ...base, kind: 'json' } : { ...base, kind: 'group', fields };
    }
    case undefined:
    default:
      return { ...base, kind: 'json' };
  }
}

function arrayField(base: FieldBase, items: Schema | undefined): FormField {
  if (items === undefined || typeOf(items).join() !== 'string') return { ...base, kind: 'json' };
  return isTexts(items.enum) ? { ...base, kind: 'checks', choices: items.enum } : { ...base, kind: 'texts' };
}

/** Null is what leaving a field empty stands for. */
function typeOf({ type }: Schema): readonly string[] {
  return (typeof type === 'string' ? [type] : (type ?? [])).filter((each) => each !== 'null');
}

function isTexts(values: readonly unknown[] | undefined): values is readonly string[] {
  return values !== undefined && values.every((value) => typeof value === 'string');
}

/** `max_bytes` becomes `Max bytes`. */
function words(name: string): string {
  const text = name.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The configuration with one member changed; without it, where nothing is entered. */
export function withMember(config: Config, name: string, value: unknown): Config {
  const { [name]: _old, ...rest } = config;
  return isNothing(value) ? rest : { ...config, [name]: value };
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** The lines that say something. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

export interface JsonEntry {
  value?: unknown;
  /** Why it is not taken. */
  problem?: string;
}

/** Reads what was entered as JSON; nothing entered is no value. */
export function readJson(text: string, wanted: 'array' | 'object' | 'any' = 'any'): JsonEntry {
  if (text.trim() === '') return { value: undefined };
  try {
    const value: unknown = JSON.parse(text);
    if (wanted === 'array' && !Array.isArray(value)) return { problem: 'This has to be a list: [ ... ].' };
    if (wanted === 'object' && (typeof value !== 'object' || value === null || Array.isArray(value)))
      return { problem: 'This has to be an object: { ... }.' };
    return { value };
  } catch (error) {
    return { problem: `This is not valid JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
