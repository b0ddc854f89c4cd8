/** What the built-in drivers need from their worker. */
export interface DriverDependencies {
  /** Every request of a driver goes through it: the guarded dispatcher of outbound requests in a worker. */
  fetch?: typeof globalThis.fetch;
  /** Wall clock, for `retry-after` dates. */
  nowMs?: () => number;
}
