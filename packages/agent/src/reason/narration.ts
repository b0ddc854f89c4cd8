const PLACEHOLDER = /\{(\w+)(?:\|([^}]*))?\}/g;
const MAX_VALUE_CHARS = 60;

/** Fills `{name}` and `{name|otherwise}` from a call's arguments: one short line for people. */
export function narrate(template: string, args: Record<string, unknown>): string {
  return template.replaceAll(PLACEHOLDER, (_, name: string, otherwise: string | undefined) => shown(args[name]) ?? otherwise ?? '').trim();
}

function shown(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'string') return undefined;
  const line = value.replaceAll(/\s+/g, ' ').trim();
  if (line === '') return undefined;
  return line.length <= MAX_VALUE_CHARS ? line : `${line.slice(0, MAX_VALUE_CHARS)}...`;
}
