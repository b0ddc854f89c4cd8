import { PlatformError } from './errors.ts';

/** Why the caller changes something; stored in the audit log with the change. */
export const CHANGE_REASON_HEADER = 'everruns-change-reason';
const MAX_CHARACTERS = 1_000;
const CONTROL = /\p{Cc}|[\u2028\u2029]/u;
/** Keys of vendors and of ours, tokens, private keys, passwords in addresses: a log is no place for them, whoever wrote them there. */
const CREDENTIALS: readonly RegExp[] = [
  /\bevr(?:_[a-z]+|inv|a2a)_[0-9a-f]{16}/i,
  /\bmcp_secret_\w{8}/i,
  /\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16}/,
  /\b(?:gh[oprsu]|github_pat|glpat|xox[abeoprs])[-_][A-Za-z0-9_-]{10}/,
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/,
  /\bAIza[0-9A-Za-z_-]{30}/,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/,
  /-----BEGIN [A-Z ]*PRIVATE KEY/,
  /\bkek-v\d+:[A-Za-z0-9+/]{20}/,
  /\b(?:bearer|basic|apikey)\s+[A-Za-z0-9._~+/=-]{16}/i,
  /\b(?:password|passwd|secret|token|api[-_ ]?key)\s*[:=]\s*\S{6}/i,
  /\/\/[^\s/:@]+:[^\s/@]+@/,
];

/** The text of the header, or null without one. Throws `invalid_change_reason`; its message never repeats the text. */
export function parseChangeReason(header: string | undefined): string | null {
  if (header === undefined) return null;
  const text = decoded(header)?.trim();
  if (text === undefined) throw refused('Expected UTF-8 text, percent-encoded.');
  if (text === '') return null;
  if (Array.from(text).length > MAX_CHARACTERS) throw refused(`It has more than ${MAX_CHARACTERS} characters.`);
  if (CONTROL.test(text)) throw refused('It has control characters.');
  if (CREDENTIALS.some((pattern) => pattern.test(text))) throw refused('It looks as if it had a credential in it.');
  return text;
}

/** Undefined when the escapes are none of UTF-8, or something that is not ASCII came without an escape. */
function decoded(header: string): string | undefined {
  if (/[^\x20-\x7e]/.test(header.trim())) return undefined;
  try {
    return decodeURIComponent(header);
  } catch {
    return undefined; // a lone "%", or bytes that are no UTF-8
  }
}

function refused(message: string): PlatformError {
  return new PlatformError('invalid_change_reason', message, { field: 'Everruns-Change-Reason' });
}
