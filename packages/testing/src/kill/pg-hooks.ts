import type { RunStatement } from './pg-session.ts';

/** A commit that may have changed rows, seen before it reaches PostgreSQL. */
export interface WriteCommit {
  /** The statements that it makes durable. */
  statements: RunStatement[];
  /** The process that serves the connection. */
  backendPid: number;
  /** The commit's last unit as it travels, parameters included: says whose ids are in it. */
  bytes: Buffer;
  /** Breaks the connection on both sides, at once. */
  cut(): void;
}

/** How PostgreSQL answered the unit that carried a commit. */
export interface CommitAnswer {
  tags: string[];
  /** SQLSTATE of the error, if it failed. */
  error: string | null;
}

/** The answer to a commit, with what it says. */
export interface CommitReply extends CommitAnswer {
  bytes: Buffer;
}

/** What happens to one commit. */
export interface CommitFate {
  /** `drop` keeps the unit from PostgreSQL: the server died first. */
  send: 'forward' | 'drop';
  /** `swallow` keeps the whole answer from the client: a reply that is lost on the way. */
  reply: 'forward' | 'swallow';
  /** PostgreSQL has answered, the client does not know yet. */
  arrived?: (reply: CommitReply) => void;
  /** The answer has been passed on. */
  passed?: (reply: CommitReply) => void;
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
