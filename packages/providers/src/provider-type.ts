/** Names that mean a driver of another id: both are in use by clients. */
const ALIASES: Readonly<Record<string, string>> = { gemini: 'google', openai_compatible: 'openai_completions' };

export function canonicalProviderType(providerType: string): string {
  return ALIASES[providerType] ?? providerType;
}
