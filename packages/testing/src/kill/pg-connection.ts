import type { Socket } from 'node:net';
import {
  CANCEL_REQUEST,
  GSS_REQUEST,
  MessageReader,
  SSL_REQUEST,
  backendPid,
  commandTag,
  encodeParse,
  encodeQuery,
  errorState,
  parseStatement,
  queryText,
} from './pg-protocol.ts';
import { ClientSession } from './pg-session.ts';
import type { PgMessage } from './pg-protocol.ts';
import type { CommitAnswer, CommitFate, PgProxyHooks, WriteCommit } from './pg-hooks.ts';
import type { RunStatement, Unit } from './pg-session.ts';

/** A unit that PostgreSQL has not answered yet. The start-up is one too. */
interface Awaited {
  statements: RunStatement[];
  fate: CommitFate | null;
  answer: CommitAnswer;
  /** The answer to a commit with a fate is kept together until it is complete. */
  reply: Buffer[];
}

export interface PgConnectionOptions {
  client: Socket;
  upstream: Socket;
  hooks: () => PgProxyHooks;
}

/** One client's connection through the proxy. */
export class PgConnection {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #hooks: () => PgProxyHooks;
  readonly #session = new ClientSession();
  readonly #fromClient = new MessageReader();
  readonly #fromServer = new MessageReader();
  readonly #awaited: Awaited[] = [];
  #held: PgMessage[] = [];
  #started = false;
  #busy: Promise<void> = Promise.resolve();
  #backendPid = 0;
  /** A cancel request has no messages: after its packet, bytes pass as they are. */
  #raw = false;

  constructor(options: PgConnectionOptions) {
    this.#client = options.client;
    this.#upstream = options.upstream;
    this.#hooks = options.hooks;
    this.#client.on('data', (chunk: Buffer) => this.#queue(() => this.#clientBytes(chunk)));
    this.#upstream.on('data', (chunk: Buffer) => this.#serverBytes(chunk));
  }

  cut(): void {
    this.#client.destroy();
    this.#upstream.destroy();
  }

  /** One side is gone: the other follows, as soon as what was already received has been passed on. */
  ended(socket: Socket): void {
    if (socket === this.#upstream) this.#client.end();
    else this.#queue(async () => void this.#upstream.end());
  }

  /** What the client sends is handled strictly in order, also across a hook that takes time. */
  #queue(work: () => Promise<void>): void {
    this.#busy = this.#busy.then(work).catch(() => this.cut());
  }

  async #clientBytes(chunk: Buffer): Promise<void> {
    if (this.#raw) return void this.#upstream.write(chunk);
    this.#fromClient.push(chunk);
    if (!this.#started && !this.#startup()) return;
    for (let message = this.#fromClient.next(); message !== null; message = this.#fromClient.next()) {
      await this.#clientMessage(message);
    }
  }

  #startup(): boolean {
    for (let packet = this.#fromClient.startup(); packet !== null; packet = this.#fromClient.startup()) {
      if (packet.code === SSL_REQUEST || packet.code === GSS_REQUEST) {
        this.#client.write('N');
        continue;
      }
      this.#upstream.write(packet.bytes);
      this.#started = true;
      if (packet.code === CANCEL_REQUEST) this.#raw = true;
      else this.#awaited.push({ statements: [], fate: null, answer: { tags: [], error: null }, reply: [] });
      return !this.#raw;
    }
    return false;
  }

  async #clientMessage(message: PgMessage): Promise<void> {
    // Passwords, copied data and the farewell belong to no unit.
    if ('pdcfX'.includes(message.tag)) return void this.#upstream.write(message.bytes);
    const unit = this.#session.accept(message);
    this.#held.push(this.#rewritten(message));
    if (unit !== null) await this.#forward(unit);
    else if (message.tag === 'H') this.#release(); // a Flush asks for answers before the Sync comes
  }

  #rewritten(message: PgMessage): PgMessage {
    const { rewrite } = this.#hooks();
    if (rewrite === undefined) return message;
    if (message.tag === 'P') {
      const parsed = parseStatement(message);
      const text = rewrite(parsed);
      return text === parsed.text ? message : { tag: 'P', bytes: encodeParse({ ...parsed, text }) };
    }
    if (message.tag !== 'Q') return message;
    const before = queryText(message);
    const text = rewrite({ name: '', text: before });
    return text === before ? message : { tag: 'Q', bytes: encodeQuery(text) };
  }

  async #forward(unit: Unit): Promise<void> {
    const { onCommit } = this.#hooks();
    const fate = unit.commits === null || onCommit === undefined ? null : await onCommit(this.#commit(unit, unit.commits));
    if (fate?.send === 'drop') {
      this.#held = [];
      return;
    }
    this.#awaited.push({ statements: unit.statements, fate, answer: { tags: [], error: null }, reply: [] });
    this.#release();
  }

  #release(): void {
    if (this.#upstream.writable) this.#upstream.write(Buffer.concat(this.#held.map((message) => message.bytes)));
    this.#held = [];
  }

  #commit(unit: Unit, statements: RunStatement[]): WriteCommit {
    const bytes = Buffer.concat(unit.messages.map((message) => message.bytes));
    return { statements, backendPid: this.#backendPid, bytes, cut: () => this.cut() };
  }

  #serverBytes(chunk: Buffer): void {
    this.#fromServer.push(chunk);
    let out: Buffer[] = [];
    for (let message = this.#fromServer.next(); message !== null; message = this.#fromServer.next()) {
      const unit = this.#awaited[0];
      if (message.tag === 'K') this.#backendPid = backendPid(message);
      if (message.tag === 'A' && this.#hooks().onNotification?.() === false) continue;
      if (unit !== undefined) note(unit.answer, message);
      (unit?.fate?.reply === undefined ? out : unit.reply).push(message.bytes);
      if (message.tag !== 'Z' || unit === undefined) continue;
      this.#awaited.shift();
      this.#answer(unit, out);
      out = [];
    }
    this.#toClient(out);
  }

  #answer({ statements, fate, answer, reply }: Awaited, before: Buffer[]): void {
    this.#toClient(before);
    const whole = { ...answer, bytes: Buffer.concat(reply) };
    fate?.arrived?.(whole);
    if (fate?.reply !== 'swallow') this.#toClient(reply);
    fate?.passed?.(whole);
    this.#hooks().onUnit?.(statements, answer);
  }

  #toClient(bytes: Buffer[]): void {
    if (bytes.length > 0 && this.#client.writable) this.#client.write(Buffer.concat(bytes));
  }
}

function note(answer: CommitAnswer, message: PgMessage): void {
  if (message.tag === 'C') answer.tags.push(commandTag(message));
  else if (message.tag === 'E') answer.error = errorState(message);
}
