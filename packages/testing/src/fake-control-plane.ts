import type { OpenLink, TaskInput, TaskOutcome, InStepEvent } from '@everruns/contract';
import type { CallReply, CallRequest, ServerMessage, Task, WorkerMessage } from '@everruns/contract/generated/worker';

type Said = NonNullable<WorkerMessage['kind']>;
type SaidOf<C extends Said['$case']> = Extract<Said, { $case: C }>['value'];

/** One attachment of a worker, seen from the control plane. */
export interface FakeLink {
  /** What the worker said, in order. */
  readonly said: Said[];
  /** What it said of one kind. */
  all<C extends Said['$case']>(kind: C): SaidOf<C>[];
  send(kind: NonNullable<ServerMessage['kind']>): void;
  /** Answers the hello; every held lease is confirmed unless `held` says otherwise. */
  welcome(held?: string[]): void;
  assign(task: Partial<Task> & { input: Buffer }): void;
  /** The connection breaks; the worker only notices that it hears nothing more, or that the stream ends. */
  cut(error?: Error): void;
  /** The worker closed it. */
  readonly isClosed: boolean;
}

/** A control plane that does what a test tells it to, over links in memory. */
export interface FakeControlPlane {
  readonly openLink: OpenLink;
  readonly links: FakeLink[];
  /** The link that was opened last. */
  readonly link: FakeLink;
  /** While set, no link can be opened. */
  unreachable: Error | null;
  /** Beats are answered unless a test says otherwise. */
  isSilent: boolean;
  /** Answers what running steps ask for; nothing at all unless a test says otherwise. */
  answer(request: CallRequest): Promise<CallReply>;
}

export function createFakeControlPlane(): FakeControlPlane {
  const links: FakeLink[] = [];
  const plane: FakeControlPlane = {
    links,
    unreachable: null,
    isSilent: false,
    answer: () => new Promise(() => undefined),
    get link() {
      const last = links.at(-1);
      if (last === undefined) throw new Error('the worker has opened no link');
      return last;
    },
    openLink: (signal) => {
      if (plane.unreachable !== null) return Promise.reject(plane.unreachable);
      const { link, worker } = createLink(plane, signal);
      links.push(link);
      return Promise.resolve(worker);
    },
  };
  return plane;
}

function createLink(plane: FakeControlPlane, signal: AbortSignal): { link: FakeLink; worker: Awaited<ReturnType<OpenLink>> } {
  const said: Said[] = [];
  const queue: ServerMessage[] = [];
  let end: { error?: Error } | null = null;
  let isClosed = false;
  let wake = Promise.withResolvers<void>();
  const stir = () => {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  signal.addEventListener('abort', () => ((end ??= {}), stir()));
  const all = <C extends Said['$case']>(kind: C) => said.flatMap((entry) => (entry.$case === kind ? [entry.value as SaidOf<C>] : []));
  const link: FakeLink = {
    said,
    all,
    send(kind) {
      queue.push({ kind });
      stir();
    },
    welcome(held) {
      const claimed = all('hello')[0]?.held.map(({ token }) => token) ?? [];
      const kept = held ?? claimed;
      link.send({
        $case: 'welcome',
        value: { instanceId: 'instance_1', held: kept, lost: claimed.filter((token) => !kept.includes(token)) },
      });
    },
    assign: (task) => link.send({ $case: 'assign', value: { task: wireTask(task) } }),
    cut(error) {
      end = error === undefined ? {} : { error };
      stir();
    },
    get isClosed() {
      return isClosed;
    },
  };
  async function* receive(): AsyncGenerator<ServerMessage> {
    for (;;) {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield next;
      if (end?.error !== undefined) throw end.error;
      if (end !== null || isClosed) return;
      await wake.promise;
    }
  }
  const worker = {
    // What is said on a broken connection never arrives.
    send({ kind }: WorkerMessage) {
      if (end !== null || kind === undefined) return;
      said.push(kind);
      if (kind.$case === 'beat' && !plane.isSilent) link.send({ $case: 'pulse', value: { n: kind.value.n } });
    },
    receive: receive(),
    call: (request: CallRequest) => {
      return end === null ? plane.answer(request) : Promise.reject(new Error('the link is broken'));
    },
    close() {
      isClosed = true;
      stir();
    },
  };
  return { link, worker };
}

export function wireTask(task: Partial<Task> & { input: Buffer }): Task {
  const base = { taskId: 'task_1', token: 'token_1', pool: 'reason', sessionId: 'session_1', workflowId: 'workflow_1', attempt: 1 };
  return { ...base, startToCloseMs: 300_000, heartbeatMs: 0, checkpoint: Buffer.alloc(0), ...task };
}

export function encodeInput(input: TaskInput): Buffer {
  return Buffer.from(JSON.stringify(input));
}

export function outcomeOf(complete: { outcome: Buffer }): TaskOutcome {
  return JSON.parse(complete.outcome.toString()) as TaskOutcome;
}

export function eventsOf(append: { events: Buffer }): InStepEvent[] {
  return JSON.parse(append.events.toString()) as InStepEvent[];
}
