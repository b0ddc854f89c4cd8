/**
 * Where somebody wanted to go before they were asked to log in: a path on our own origin, or null for everything that a browser could take for
 * another one.
 */
export function safeReturnTo(wanted: unknown): string | null {
  if (typeof wanted !== 'string' || wanted.length > 2_000) return null;
  // Browsers take a backslash for a slash and drop tabs and line breaks; spaces and more than ASCII come encoded from whoever means it.
  if (!/^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/.test(wanted)) return null;
  const url = new URL(wanted, 'http://origin.invalid');
  return url.origin === 'http://origin.invalid' && !url.pathname.startsWith('//') ? wanted : null;
}

/** Where somebody is led who has logged in and wanted nothing else. Who belongs to no organization has to find one first. */
export type HomePath = (isMember: boolean) => string;

/** `path` with the parameters that have a value. */
export function withQuery(path: string, parameters: Readonly<Record<string, string | null | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== null && value !== undefined) query.set(name, value);
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}
