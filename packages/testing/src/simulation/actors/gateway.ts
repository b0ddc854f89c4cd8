import type { PlannedCall, Pool, Uuid } from '@everruns/contract';
import type { TurnState } from '@everruns/engine';
import { sleep } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import { adopt, leasesWhere, workflowState } from '../statements/leases.ts';
import { append, promptSeen } from '../statements/step.ts';
import type { Claimed } from '../statements/claim.ts';
import type { LeaseRow, WorkerSeat } from '../store/tables.ts';
import { SqlError } from '../store/tx.ts';
import { completeTask } from './completion.ts';
import type { Instance } from './instance.ts';
import type { Link, LinkEnd, ServerSays, WorkerSays } from './link.ts';
import { recoverAll } from './recovery.ts';
import { repeat } from './repeat.ts';
import { count } from './world.ts';

type Hello = Extract<WorkerSays, { say: 'hello' }>;

/** How long a worker whose stream broke may take to come back with its leases. */
const RELEASE_AFTER_MS = 300;
/** A worker that could reach nobody while the database was away looks for an instance again within this time. */
const RETURN_MS = 2_500;
export const CAPACITY: Record<Pool, number> = { reason: 2, tool: 4 };

/** What an instance remembers of a lease of one of its workers. */
export interface TaskRecord {
  lease: LeaseRow;
  state: TurnState;
  revision: number;
  /** Messages of one lease are handled one after the other. */
  queue: (() => Task<void>)[];
  busy: boolean;
}

/** One stream of one worker: its seats and its leases. */
export class Attachment {
  readonly seat: WorkerSeat;
  /** In whose name its leases stand; an instance that was declared lost goes on under another. */
  readonly instanceId: Uuid;
  readonly link: Link;
  readonly tasks = new Map<Uuid, TaskRecord>();
  readonly promised: Record<Pool, number> = { reason: 0, tool: 0 };
  closed = false;

  constructor(seat: WorkerSeat, instanceId: Uuid, link: Link) {
    this.seat = seat;
    this.instanceId = instanceId;
    this.link = link;
  }

  send(message: ServerSays): void {
    if (!this.closed) this.link.toWorker(message);
  }

  free(pool: Pool): number {
    if (this.closed) return 0;
    const used = [...this.tasks.values()].filter((record) => record.lease.pool === pool).length;
    return CAPACITY[pool] - used - this.promised[pool];
  }
}

/** The control plane's end of the workers' streams. Everything durable happens elsewhere; losing this loses nothing. */
export class Gateway {
  readonly attachments = new Map<Uuid, Attachment>();
  /** Attachments on their way in or out: their leases are looked after, although nobody is attached under them. */
  readonly #moving = new Set<Uuid>();
  readonly #instance: Instance;

  constructor(instance: Instance) {
    this.#instance = instance;
  }

  /** A new stream: its first message says who it is, what comes before the answer to it waits. */
  open(link: Link): LinkEnd<WorkerSays> {
    const { life } = this.#instance;
    let attachment: Attachment | null = null;
    const waiting: WorkerSays[] = [];
    let closed = false;
    const greet = function* (this: Gateway, hello: Hello): Task<void> {
      attachment = yield* this.#hello(link, hello);
      if (attachment === null) return link.close('server');
      for (const message of waiting) this.#handle(attachment, message);
      if (closed) this.detach(attachment);
    }.bind(this);
    return {
      life,
      receive: (message) => {
        if (message.say === 'hello') life.spawn(greet(message));
        else if (attachment === null) waiting.push(message);
        else this.#handle(attachment, message);
      },
      closed: () => {
        closed = true;
        if (attachment !== null) this.detach(attachment);
      },
    };
  }

  /** Ends all streams: the workers attach elsewhere, or here again, with what they hold. */
  sendAway(): void {
    for (const attachment of this.attachments.values()) this.detach(attachment);
  }

  /** Ends an attachment; its leases are released when the worker does not come back with them in time. */
  detach(attachment: Attachment): void {
    if (attachment.closed) return;
    attachment.closed = true;
    attachment.link.close('server');
    this.attachments.delete(attachment.seat.attachment);
    this.#moving.add(attachment.seat.attachment);
    this.#instance.life.spawn(this.#releaseLater(attachment));
  }

  *#releaseLater({ seat, instanceId }: Attachment): Task<void> {
    const mine = (lease: LeaseRow): boolean => lease.instanceId === instanceId && lease.attachment === seat.attachment;
    for (let graceMs = RELEASE_AFTER_MS; ; graceMs = RETURN_MS) {
      yield* sleep(this.#instance.world.timeline, graceMs);
      if (this.#instance.dispatcher.paused) continue;
      try {
        const held = yield* this.#instance.db(leasesWhere('leases_of_attachment', mine));
        yield* recoverAll(this.#instance, held, 'worker_lost');
        break;
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
      }
    }
    this.#moving.delete(seat.attachment);
  }

  /** Null: this instance cannot take a worker now. It keeps its leases and tries elsewhere. */
  *#hello(link: Link, hello: Hello): Task<Attachment | null> {
    const { world, dispatcher } = this.#instance;
    if (dispatcher.paused && !this.#instance.alone()) return null;
    const { workerId, bootId, attachNo } = hello;
    const seat = { workerId, bootId, attachNo, attachment: world.ids.named('c') };
    const attachment = new Attachment(seat, this.#instance.id, link);
    this.#moving.add(seat.attachment);
    for (const other of this.attachments.values()) if (overtakes(seat, other.seat)) this.detach(other);
    world.trace(() => `${this.#instance.name} greets ${workerId} (${attachNo}) holding ${hello.held.length}`);
    const held = yield* this.#adopt(attachment, hello);
    if (held === null) {
      count(world, 'worker refused');
      this.detach(attachment); // some leases may stand under it already
      return null;
    }
    const tokens = new Set(held.map((lease) => lease.token));
    attachment.send({ say: 'welcome', held: [...tokens], lost: hello.held.filter((token) => !tokens.has(token)) });
    this.attachments.set(seat.attachment, attachment);
    this.#moving.delete(seat.attachment);
    dispatcher.poke();
    return attachment;
  }

  /** Takes over what the worker still holds; what it does not know of was never delivered, and another boot's leases are lost. */
  *#adopt(attachment: Attachment, hello: Hello): Task<LeaseRow[] | null> {
    const { world } = this.#instance;
    const { seat, instanceId } = attachment;
    try {
      if (hello.held.length > 0) count(world, `re-attached with ${Math.min(hello.held.length, 3)} leases`);
      const command = { instanceId, seat, tokens: hello.held };
      const held = yield* repeat(this.#instance, () => this.#instance.db(adopt(command, world.faults)));
      if (held === null) return null;
      for (const lease of held) {
        const workflow = yield* repeat(this.#instance, () => this.#instance.db(workflowState(lease.workflowId)));
        if (workflow !== null) this.#remember(attachment, { lease, ...workflow });
      }
      const own = (lease: LeaseRow): boolean => lease.workerId === seat.workerId && lease.attachment !== seat.attachment;
      const strays = yield* repeat(this.#instance, () => this.#instance.db(leasesWhere('stray_leases_of_worker', own)));
      // Only what an earlier attachment was given: a later one of the same boot may be at work already, if this message was slow.
      const believed = world.faults.has('late_hello_believed');
      const earlier = (lease: LeaseRow): boolean => lease.bootId === seat.bootId && (lease.attachNo < seat.attachNo || believed);
      yield* recoverAll(this.#instance, strays.filter(earlier), 'unstarted');
      yield* recoverAll(
        this.#instance,
        strays.filter((lease) => lease.bootId !== seat.bootId),
        'worker_lost',
      );
      return held;
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      return null;
    }
  }

  #remember(attachment: Attachment, known: Claimed): TaskRecord {
    const record = { ...known, queue: [], busy: false };
    attachment.tasks.set(known.lease.token, record);
    return record;
  }

  #handle(attachment: Attachment, message: WorkerSays): void {
    switch (message.say) {
      case 'hello':
        return;
      case 'complete':
        return this.#enqueue(attachment, message.token, () => this.#complete(attachment, message));
      case 'append':
        return this.#enqueue(attachment, message.token, () => this.#append(attachment, message));
      case 'release':
        return this.#enqueue(attachment, message.token, () => this.#returned(attachment, message.token));
      default:
        return message satisfies never;
    }
  }

  #enqueue(attachment: Attachment, token: Uuid, work: () => Task<void>): void {
    const record = attachment.tasks.get(token);
    const { life } = this.#instance;
    if (record === undefined) return life.spawn(this.#try(attachment, work));
    record.queue.push(work);
    if (!record.busy) life.spawn(this.#drain(attachment, record));
  }

  *#drain(attachment: Attachment, record: TaskRecord): Task<void> {
    record.busy = true;
    for (let work = record.queue.shift(); work !== undefined; work = record.queue.shift()) yield* this.#try(attachment, work);
    record.busy = false;
  }

  /** What cannot be recorded is not passed over: the stream ends, and its worker says all of it again. */
  *#try(attachment: Attachment, work: () => Task<void>): Task<void> {
    try {
      yield* work();
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      this.detach(attachment);
    }
  }

  *#complete(attachment: Attachment, message: Extract<WorkerSays, { say: 'complete' }>): Task<void> {
    const { token, outcome } = message;
    const record = attachment.tasks.get(token);
    if (record === undefined) return attachment.send({ say: 'completed', token, verdict: 'lost' });
    const eager = message.acceptsNext && (record.lease.pool === 'reason' || attachment.free('reason') > 0);
    const answer = yield* completeTask(this.#instance, { record, outcome, attachment, eager });
    attachment.tasks.delete(token);
    attachment.send({ say: 'completed', token, verdict: answer.verdict });
    if (answer.next !== null) yield* this.#assignEager(attachment, answer.next);
    this.#instance.dispatcher.seatFreed(record.lease.pool);
  }

  *#append(attachment: Attachment, message: Extract<WorkerSays, { say: 'append' }>): Task<void> {
    const { token, taskId, n } = message;
    const record = attachment.tasks.get(token);
    if (record === undefined) return attachment.send({ say: 'appended', token, n, verdict: 'lost' });
    const { sessionId, payload } = record.lease;
    const events = [{ type: 'output.message.started' as const, context: payload.context, data: {} }];
    const verdict = yield* repeat(this.#instance, () => this.#instance.db(append({ sessionId, taskId, token, n, events })));
    attachment.send({ say: 'appended', token, n, verdict: verdict === 'repeated' ? 'ok' : verdict });
    if (verdict === 'lost' || verdict === 'ended') this.cancelLease(token);
  }

  /** The worker has not begun it. */
  *#returned(attachment: Attachment, token: Uuid): Task<void> {
    const record = attachment.tasks.get(token);
    if (record === undefined) return;
    attachment.tasks.delete(token);
    yield* this.#giveBack(attachment, record.lease);
    this.#instance.dispatcher.seatFreed(record.lease.pool);
  }

  *#giveBack({ seat, instanceId }: Attachment, lease: LeaseRow): Task<void> {
    yield* recoverAll(this.#instance, [{ ...lease, instanceId, ...seat }], 'unstarted');
  }

  /** A task was leased for this attachment, which may be closed by now: then it was never delivered. */
  assign(attachment: Attachment, task: Claimed): void {
    const { life } = this.#instance;
    if (attachment.closed) life.spawn(this.#giveBack(attachment, task.lease));
    else life.spawn(this.#start(attachment, this.#remember(attachment, task)));
  }

  /** As after a claim; but under which attachment the lease stands depends on who was faster. */
  *#assignEager(attachment: Attachment, task: Claimed): Task<void> {
    this.assign(attachment, task);
    yield* sleep(this.#instance.world.timeline, 0);
    if (attachment.closed) this.#instance.reconciler.request();
  }

  /** A seat for a turn's first task, and how many are free. */
  offerSeat(): { attachment: Attachment; freeSeats: number } | null {
    const open = [...this.attachments.values()].filter((attachment) => attachment.free('reason') > 0);
    if (open.length === 0 || this.#instance.dispatcher.paused) return null;
    const freeSeats = open.reduce((sum, attachment) => sum + attachment.free('reason'), 0);
    return { attachment: this.#instance.world.random.pick(open), freeSeats };
  }

  /** The prompt is read after the claim, so it holds everything that the claim's turn had been told. */
  *#start(attachment: Attachment, record: TaskRecord): Task<void> {
    const { lease, state } = record;
    let seen = 0;
    try {
      if (lease.pool === 'reason') seen = yield* repeat(this.#instance, () => this.#instance.db(promptSeen(lease.sessionId)));
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      attachment.tasks.delete(lease.token);
      return yield* this.#giveBack(attachment, lease);
    }
    if (!attachment.tasks.has(lease.token)) return;
    attachment.send({ say: 'assign', assignment: { lease, seen, iteration: state.iteration, call: callOf(lease) } });
  }

  cancelLease(token: Uuid): void {
    for (const attachment of this.attachments.values()) {
      const record = attachment.tasks.get(token);
      if (record === undefined) continue;
      attachment.tasks.delete(token);
      attachment.send({ say: 'cancel', token });
      this.#instance.dispatcher.seatFreed(record.lease.pool);
    }
  }

  records(): TaskRecord[] {
    return [...this.attachments.values()].flatMap((attachment) => [...attachment.tasks.values()]);
  }

  /** Is a worker just being attached or released under this id? */
  isMoving(attachment: Uuid): boolean {
    return this.#moving.has(attachment);
  }
}

/** A worker has one stream at a time: its latest. */
function overtakes(seat: WorkerSeat, other: WorkerSeat): boolean {
  return other.workerId === seat.workerId && (other.bootId !== seat.bootId || other.attachNo < seat.attachNo);
}

function callOf(lease: LeaseRow): PlannedCall | null {
  return (lease.payload.input['call'] as PlannedCall | undefined) ?? null;
}
