import type { Slot } from './slot.ts';

/** A row that a transaction wrote, with what stood there before. */
export interface Write {
  table: string;
  key: string;
  before: unknown;
  after: unknown;
}

/** One transaction: the row locks it holds and the versions it made, until it ends. */
export class Tx {
  readonly name: string;
  state: 'open' | 'committed' | 'aborted' = 'open';
  /** Place in the order of commits; nobody sees its writes before it has one. */
  commitNo = Infinity;
  /** Number of the running statement: a statement does not see its own writes, the next one does. */
  command = 0;
  readonly held: Slot<unknown>[] = [];
  waitsFor: Slot<unknown> | null = null;

  constructor(name: string) {
    this.name = name;
  }
}

export class SqlError extends Error {
  readonly code: string;
  readonly table: string | null;

  constructor(code: string, message: string, table: string | null = null) {
    // An outcome like any other here, and there are many: a stack would cost more than the statement.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(`${code}: ${message}`);
    Error.stackTraceLimit = limit;
    this.code = code;
    this.table = table;
  }

  /** May the statement have committed although it failed? */
  get outcomeUnknown(): boolean {
    return this.code.startsWith('08') || this.code === '57P01';
  }

  get transient(): boolean {
    return this.code === '40P01' || this.code === '40001';
  }
}
