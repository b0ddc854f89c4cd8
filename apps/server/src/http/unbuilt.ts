/**
 * Parts of the public contract that this version does not have. They answer 404 with a code of their own, so that a client can tell
 * "not built" from "not there".
 */
const UNBUILT: readonly RegExp[] = [
  // Building blocks and files
  /^\/(knowledge-indexes|apps)(\/|$)/,
  /^\/capabilities\/declarative(\/|$)/,
  /^\/(agents|harnesses)\/[^/]+\/(versions|health-checks|voice|channels|history)(\/|$)/,
  /^\/agents\/analyze$/,
  // Parts of a session
  /^\/sessions\/chat(\/|$)/,
  /^\/sessions\/[^/]+\/(sandbox|git|voice)(\/|$)/,
  // Accounts
  /^\/(identities|notifications)(\/|$)/,
  // Money, operations, everything else
  /^\/(durable|channels|commands|plugins|payments|reports|evals|evaluations|observers|voice)(\/|$)/,
];

/** `path` is the part after `/v1`. */
export function isUnbuilt(path: string): boolean {
  return UNBUILT.some((pattern) => pattern.test(path));
}
