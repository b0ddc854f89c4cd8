/** Older names under which a capability can still be asked for. */
const ALIASES: Readonly<Record<string, string>> = { virtual_bash: 'bashkit_shell' };

/** The id that a capability is registered and stored under. */
export function canonicalCapabilityId(ref: string): string {
  return Object.hasOwn(ALIASES, ref) ? (ALIASES[ref] as string) : ref;
}
