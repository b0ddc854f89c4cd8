import { AsyncLocalStorage } from 'node:async_hooks';
import type { Authenticate } from './authenticate.ts';

/**
 * Requests that this process makes to its own routes on behalf of one from outside, such as a tool call of an MCP client. They pass the
 * same policies, but are let in with the credential of the outer request as its endpoint reads it, and are not counted a second time.
 * What marks them is the asynchronous context they are made in: nothing that comes in over a socket can carry it.
 */
export interface InnerCalls {
  /** Requests that `work` injects are let in by `authenticate`. */
  run<T>(authenticate: Authenticate, work: () => Promise<T>): Promise<T>;
  /** Undefined for requests from outside. */
  current(): Authenticate | undefined;
}

export function createInnerCalls(): InnerCalls {
  const context = new AsyncLocalStorage<Authenticate>();
  return { run: (authenticate, work) => context.run(authenticate, work), current: () => context.getStore() };
}
