import { bindTarget, executePortal, parseStatement, queryText } from './pg-protocol.ts';
import { statementEffect } from './pg-statements.ts';
import type { PgMessage } from './pg-protocol.ts';
import type { StatementEffect } from './pg-statements.ts';

/** A statement of a unit: `name` is the prepared statement's, empty for an unnamed one or a simple query. */
export interface RunStatement extends StatementEffect {
  name: string;
  text: string;
}

/** Everything up to a Sync, or one simple query: PostgreSQL answers each with exactly one ReadyForQuery. */
export interface Unit {
  messages: PgMessage[];
  statements: RunStatement[];
  /**
   * The statements that become durable when this unit is done: those of the transaction that it commits, or its own. Null when it
   * ends no transaction, or one that wrote nothing.
   */
  commits: RunStatement[] | null;
}

/**
 * Follows what a client sends on one connection. The state of the transaction is predicted from the texts, not read from the answers:
 * pipelined units are on their way long before the first answer is back.
 */
export class ClientSession {
  readonly #prepared = new Map<string, RunStatement>();
  readonly #portals = new Map<string, string>();
  #open: PgMessage[] = [];
  #ran: RunStatement[] = [];
  #transaction: RunStatement[] | null = null;

  /** The unit that this message completes, or null while one is still being collected. */
  accept(message: PgMessage): Unit | null {
    this.#open.push(message);
    this.#read(message);
    return message.tag === 'S' || message.tag === 'Q' || message.tag === 'F' ? this.#finish() : null;
  }

  #read(message: PgMessage): void {
    if (message.tag === 'Q') {
      const text = queryText(message);
      this.#ran.push({ name: '', text, ...statementEffect(text) });
    } else if (message.tag === 'P') {
      const { name, text } = parseStatement(message);
      this.#prepared.set(name, { name, text, ...statementEffect(text) });
    } else if (message.tag === 'B') {
      const { portal, statement } = bindTarget(message);
      this.#portals.set(portal, statement);
    } else if (message.tag === 'E') {
      const statement = this.#prepared.get(this.#portals.get(executePortal(message)) ?? '');
      if (statement !== undefined) this.#ran.push(statement);
    }
  }

  #finish(): Unit {
    const unit = { messages: this.#open, statements: this.#ran, commits: this.#commits(this.#ran) };
    this.#open = [];
    this.#ran = [];
    return unit;
  }

  #commits(ran: RunStatement[]): RunStatement[] | null {
    let durable: RunStatement[] = [];
    for (const statement of ran) {
      if (statement.transaction === 'begin') this.#transaction = [];
      else if (statement.transaction === 'rollback') this.#transaction = null;
      else if (statement.transaction === 'commit') {
        durable = durable.concat(this.#transaction ?? []);
        this.#transaction = null;
      } else if (this.#transaction !== null) this.#transaction.push(statement);
      else durable.push(statement);
    }
    const writes = durable.filter((statement) => statement.writes);
    return writes.length === 0 ? null : writes;
  }
}
