const MAX_MESSAGE_LENGTH = 1000;

/** Providers quote the rejected key, whole or in part. Neither may reach a log, an event or a client. */
export function scrubSecrets(message: string, apiKey: string | undefined): string {
  const withoutKey = apiKey !== undefined && apiKey.length >= 4 ? message.replaceAll(apiKey, '[key]') : message;
  const masked = withoutKey.replaceAll(/\b(?:sk|pk|AIza|gsk|xai)[-_\w]*[-\w*]{8,}/g, '[key]');
  return masked.length > MAX_MESSAGE_LENGTH ? `${masked.slice(0, MAX_MESSAGE_LENGTH)}…` : masked;
}
