import type { Uuid } from '@everruns/contract';
import { sleep, wait } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import { leasesWhere } from '../statements/leases.ts';
import type { LeaseRow } from '../store/tables.ts';
import { SqlError } from '../store/tx.ts';
import { adopt, SUPERSEDED, WorkerRefused } from './adoption.ts';
import type { Arrival } from './adoption.ts';
import { Attachment } from './attachment.ts';
import type { TaskRecord } from './attachment.ts';
import type { Instance } from './instance.ts';
import type { Link, LinkEnd, WorkerSays } from './link.ts';
import { recoverAll } from './recovery.ts';
import { WorkerMessages } from './worker-messages.ts';
import { count } from './world.ts';

type Hello = Extract<WorkerSays, { say: 'hello' }>;
type Signal = Arrival['signal'];

/** How long a worker whose stream broke may take to come back with its leases. */
const RELEASE_AFTER_MS = 300;
/** A worker that could reach nobody while the database was away looks for an instance again within this time. */
const RETURN_MS = 2_500;

/** A worker's stream on its way in; the next one of the same worker waits for it. */
interface Arriving {
  over: boolean;
  waiting: (() => void)[];
}

/** The control plane's end of the workers' streams: who is attached, and what happens when a stream begins and ends. */
export class Gateway {
  readonly #ctx: Instance;
  readonly #messages: WorkerMessages;
  /** Attachments on their way in or out: their leases are looked after, although nobody is attached under them. */
  readonly #moving = new Set<Uuid>();
  /** Workers that are being attached: one stream of a worker after the other, so that the last one has the leases in the end. */
  readonly #arrivals = new Map<string, Arriving>();

  constructor(ctx: Instance) {
    this.#ctx = ctx;
    this.#messages = new WorkerMessages(ctx);
  }

  /** A new stream: its first message says who it is, what comes before the answer to it waits. */
  open(link: Link): LinkEnd<WorkerSays> {
    const { life } = this.#ctx;
    const signal: Signal = { aborted: false };
    const waiting: WorkerSays[] = [];
    let attachment: Attachment | null = null;
    const greet = function* (this: Gateway, hello: Hello): Task<void> {
      attachment = yield* this.#arrive(link, hello, signal);
      if (attachment === null) return link.close('server');
      for (const message of waiting) this.#messages.handle(attachment, message);
      if (signal.aborted) this.detach(attachment);
    }.bind(this);
    return {
      life,
      receive: (message) => {
        if (message.say === 'hello') life.spawn(greet(message));
        else if (attachment === null) waiting.push(message);
        else this.#messages.handle(attachment, message);
      },
      closed: () => {
        signal.aborted = true;
        if (attachment !== null) this.detach(attachment);
      },
    };
  }

  *#arrive(link: Link, hello: Hello, signal: Signal): Task<Attachment | null> {
    const before = this.#arrivals.get(hello.workerId);
    const own: Arriving = { over: false, waiting: [] };
    this.#arrivals.set(hello.workerId, own);
    yield* arrived(before);
    try {
      return yield* this.#hello(link, hello, signal);
    } catch (error) {
      if (!(error instanceof WorkerRefused || error instanceof SqlError)) throw error;
      count(this.#ctx.world, 'worker refused');
      return null;
    } finally {
      own.over = true;
      if (this.#arrivals.get(hello.workerId) === own) this.#arrivals.delete(hello.workerId);
      for (const go of own.waiting) go();
    }
  }

  *#hello(link: Link, hello: Hello, signal: Signal): Task<Attachment> {
    const { world, dispatcher, id: instanceId, name } = this.#ctx;
    this.#requireOpen(signal);
    const { workerId, bootId, attachNo, held } = hello;
    const seat = { workerId, bootId, attachment: world.ids.named('c') };
    const mine = [...dispatcher.attachments.values()].filter((other) => other.seat.workerId === workerId);
    if (mine.some((other) => other.seat.bootId === bootId && other.attachNo > attachNo)) throw new WorkerRefused(SUPERSEDED);
    const attachment = new Attachment({ seat, attachNo }, instanceId, link);
    this.#moving.add(attachment.id);
    const known = new Map<Uuid, TaskRecord>();
    for (const other of mine) {
      if (other.seat.bootId === bootId) for (const [token, record] of other.tasks) known.set(token, record);
      this.detach(other);
    }
    world.trace(() => `${name} greets ${workerId} holding ${held.length}`);
    try {
      const kept = new Set((yield* adopt(this.#ctx, attachment, { attachNo, held, known, signal })).map((lease) => lease.token));
      this.#requireOpen(signal);
      attachment.send({ say: 'welcome', held: [...kept], lost: held.filter((token) => !kept.has(token)) });
    } catch (error) {
      this.detach(attachment); // some leases may stand under it already
      throw error;
    }
    dispatcher.attachments.set(attachment.id, attachment);
    this.#moving.delete(attachment.id);
    dispatcher.poke();
    return attachment;
  }

  /** While this instance claims nothing, and others may, a worker is better off there. */
  #requireOpen(signal: Signal): void {
    if (signal.aborted) throw new WorkerRefused('The worker has left.');
    if (this.#ctx.dispatcher.paused && !this.#ctx.alone()) throw new WorkerRefused('This instance cannot reach its database.');
  }

  /** Ends an attachment and its stream; its leases are released when the worker has not come back with them in time. */
  detach(attachment: Attachment): void {
    if (attachment.closed) return;
    attachment.close();
    this.#ctx.dispatcher.attachments.delete(attachment.id);
    this.#moving.add(attachment.id);
    this.#ctx.life.spawn(this.#releaseLater(attachment));
  }

  /** Ends all streams: the workers attach elsewhere, or here again, with what they hold. */
  sendAway(): void {
    for (const attachment of this.#ctx.dispatcher.attachments.values()) this.detach(attachment);
  }

  /** Is a worker just being attached or released under this id? */
  isMoving(attachment: Uuid): boolean {
    return this.#moving.has(attachment);
  }

  *#releaseLater(attachment: Attachment): Task<void> {
    yield* recoverAll(this.#ctx, yield* this.#leftBehind(attachment), 'worker_lost');
    this.#moving.delete(attachment.id);
  }

  /** The leases that the worker has not taken along by the end of its grace; while nobody could take it in, the grace has not begun. */
  *#leftBehind({ id, seat, instanceId }: Attachment): Task<LeaseRow[]> {
    const left = (lease: LeaseRow): boolean => lease.instanceId === instanceId && lease.attachment === id;
    for (let graceMs = RELEASE_AFTER_MS; ; graceMs = RETURN_MS) {
      yield* sleep(this.#ctx.world.timeline, graceMs);
      yield* arrived(this.#arrivals.get(seat.workerId));
      if (this.#ctx.dispatcher.paused) continue;
      try {
        return yield* this.#ctx.db(leasesWhere('leases_of_attachment', left));
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
      }
    }
  }
}

function* arrived(arriving: Arriving | undefined): Task<void> {
  if (arriving === undefined || arriving.over) return;
  yield* wait<void>((resolve) => arriving.waiting.push(resolve));
}
