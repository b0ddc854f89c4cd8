export { findLoginUser, KNOWN_USER_COLUMNS, knownUserOf, NOT_ANONYMOUS } from './known-users.ts';
export type { KnownUser, KnownUserRow } from './known-users.ts';
export * from './logins.ts';
export * from './accounts.ts';
export * from './outbox.ts';
export * from './tokens.ts';
export * from './service-accounts.ts';
export * from './program-logins.ts';
export * from './identities.ts';
