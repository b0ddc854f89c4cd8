import type { RunStatement } from './pg-session.ts';

/** A commit that may have changed rows, seen before it reaches PostgreSQL. */
export interface WriteCommit {
  /** The statements that it makes durable. */
  statements: RunStatement[];
  /** The process that serves the connection. */
  backendPid: number;
  /** True when this text (an id) travels as a parameter of the commit's last unit. */
  mentions(text: string): boolean;
  /** Breaks the connection on both sides, at once. */
  cut(): void;
}

/** How PostgreSQL answered the unit that carried a commit. */
export interface CommitAnswer {
  tags: string[];
  /** SQLSTATE of the error, if it failed. */
  error: string | null;
}

/**
 * What happens to one commit. `swallow` keeps the whole answer from the client, which is a reply lost on the way. `answered` runs once
 * PostgreSQL has answered (and, when it is passed on, after that).
 */
export interface CommitFate {
  /** `drop` keeps the unit from PostgreSQL: the server died first. */
  send: 'forward' | 'drop';
  reply: 'forward' | 'swallow';
  answered?: (answer: CommitAnswer) => void;
}

export interface PgProxyHooks {
  /** Asked before a write commit is forwarded. Nothing else of this connection is forwarded until it has decided. */
  onCommit?: (commit: WriteCommit) => Promise<CommitFate>;
  /** Changes a statement's text on the wire. Parameters must stay the same. */
  rewrite?: (statement: { name: string; text: string }) => string;
  /** Every unit that has been answered, write or not: for counting statements. */
  onUnit?: (statements: RunStatement[], answer: CommitAnswer) => void;
  /** Decides about a notification on its way to a listening client; false drops it. */
  onNotification?: () => boolean;
}
