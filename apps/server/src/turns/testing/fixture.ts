import { createIdSource, DEFAULT_ORG_ID, fromPublicId } from '@everruns/contract';
import type { DurableEvent, Pool, ReasonInput, ReasonOutcome, ResolvedModel, TaskOutcome, ToolInput, Uuid } from '@everruns/contract';
import type { ServerMessage, Task, WorkerMessage } from '@everruns/contract/generated/worker';
import { openDatabase } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { testDatabase } from '@everruns/testing/postgres';
import type { AdmitToolCall } from '../../limits/work-limits.ts';
import type { ReadyHints, TextDelta, OutputDelta } from '../../stream/port.ts';
import type { EngineSettings, OpenProvider } from '../context.ts';
import { createEngine } from '../engine.ts';
import type { Engine } from '../engine.ts';
import type { Instance } from '../instance.ts';
import { MessageQueue } from '../message-queue.ts';
import { FaultyDatabase } from './faulty-database.ts';

/** One of the fixture's engines, with a connection of its own that can be made to fail. */
export interface TestEngine extends Engine {
  faults: FaultyDatabase;
  /** One beat, now. */
  beat(): Promise<void>;
}

/** An engine on a real database, with a worker whose every answer the test gives by hand. */
export interface EngineFixture {
  db: Database;
  engine: TestEngine;
  deltas: TextDelta[];
  outputs: OutputDelta[];
  /** Types of the durable events that the engine announced, per session. */
  announced(sessionId: Uuid): string[];
  session(options?: { orgId?: Uuid }): Promise<Uuid>;
  log(sessionId: Uuid): Promise<DurableEvent[]>;
  /** One more instance on the same database; wake-ups travel between them. */
  another(settings?: Partial<EngineSettings>, options?: { versions?: number[] }): Promise<TestEngine>;
  close(): Promise<void>;
}

const ids = createIdSource();
export const SCOPE = { orgId: DEFAULT_ORG_ID };
const quiet = {
  info: () => undefined,
  warn: (f: unknown, t: string) => process.env['SHOW'] && console.error(t, f),
  error: (fields: unknown, text: string) => console.error(text, fields),
};

type Listener<T> = (value: readonly T[]) => void;

/** Wake-ups between the engines of one fixture, each told of what the others announce. */
class Hints {
  readonly #members = new Set<{ ready: Set<Listener<Pool>>; cancelled: Set<Listener<Uuid>>; opened: Set<Listener<string>> }>();

  join(): ReadyHints {
    const own = { ready: new Set<Listener<Pool>>(), cancelled: new Set<Listener<Uuid>>(), opened: new Set<Listener<string>>() };
    this.#members.add(own);
    const others = () => [...this.#members].filter((member) => member !== own);
    return {
      announce: (pools) => others().forEach((member) => member.ready.forEach((listener) => listener(pools))),
      onReady: (listener) => {
        own.ready.add(listener);
        return () => void own.ready.delete(listener);
      },
      announceCancelled: (tokens) => others().forEach((member) => member.cancelled.forEach((listener) => listener(tokens))),
      onCancelled: (listener) => {
        own.cancelled.add(listener);
        return () => void own.cancelled.delete(listener);
      },
      announceOpened: (keys) => others().forEach((member) => member.opened.forEach((listener) => listener(keys))),
      onOpened: (listener) => {
        own.opened.add(listener);
        return () => void own.opened.delete(listener);
      },
    };
  }
}

const MODEL: ResolvedModel = { provider_type: 'llmsim', model: 'test', provider_id: '01933b5a-0000-7000-8000-00000000000f' };

export interface FixtureOptions extends Partial<EngineSettings> {
  resolveModel?: () => Promise<ResolvedModel>;
  openProvider?: OpenProvider;
  admitToolCall?: AdmitToolCall;
}

export async function engineFixture({
  resolveModel,
  openProvider,
  admitToolCall,
  ...settings
}: FixtureOptions = {}): Promise<EngineFixture> {
  const database = await testDatabase();
  const db = openDatabase(database.settings);
  const events: DurableEvent[] = [];
  const deltas: TextDelta[] = [];
  const outputs: OutputDelta[] = [];
  const engines: Engine[] = [];
  const hints = new Hints();
  const start = async (own: Partial<EngineSettings>, options: { versions?: number[] } = {}): Promise<TestEngine> => {
    const faults = new FaultyDatabase(db);
    const engine = createEngine({
      db: faults,
      ids,
      log: quiet,
      resolveModel: resolveModel ?? (() => Promise.resolve(MODEL)),
      ...(openProvider && { openProvider }),
      admitToolCall,
      ops: (scope, op, args) => Promise.resolve({ scope, op, args }),
      streams: () => ({
        feed: {
          committed: (_session, written) => events.push(...written),
          uncertain: () => undefined,
          delta: (delta) => deltas.push(delta),
          output: (delta) => outputs.push(delta),
          outputWritten: () => Promise.resolve(),
          fetchText: () => Promise.resolve(),
          holdText: () => () => undefined,
          openText: () => null,
          deleted: () => undefined,
        },
        readyHints: hints.join(),
      }),
      address: 'test',
      sole: false,
      settings: own,
      ...options,
    });
    await engine.start();
    engines.push(engine);
    return Object.assign(engine, { faults, beat: () => (engine.peers as Instance).tick() });
  };
  const engine = await start(settings);
  return {
    db,
    engine,
    deltas,
    outputs,
    announced: (sessionId) => events.filter((event) => fromPublicId('session', event.session_id) === sessionId).map((event) => event.type),
    session: (options) => newSession(db, options?.orgId ?? DEFAULT_ORG_ID),
    log: (sessionId) => readLog(db, sessionId),
    another: (own = {}, options = {}) => start({ ...settings, ...own }, options),
    async close() {
      for (const each of engines) await each.stop();
      await db.close();
      await database.drop();
    },
  };
}

async function newSession(db: Database, orgId: Uuid): Promise<Uuid> {
  const id = ids.next();
  const harness = { name: 'test_harness', text: `select id from harnesses where org_id = $1 and name = 'test-harness'` };
  let [row] = await db.run<{ id: Uuid }>(harness, [orgId]);
  if (row === undefined) {
    const add = { name: 'test_add_harness', text: `insert into harnesses (id, org_id, name) values ($1, $2, 'test-harness') returning id` };
    [row] = await db.run<{ id: Uuid }>(add, [ids.next(), orgId]);
  }
  const text = `insert into sessions (id, org_id, harness_id, workspace_id, owner_user_id) values ($1, $2, $3, $4, $2)`;
  await db.run({ name: 'test_session', text }, [id, orgId, row?.id, ids.next()]);
  await db.run({ name: 'test_head', text: `insert into session_heads (session_id, org_id) values ($1, $2)` }, [id, orgId]);
  return id;
}

async function readLog(db: Database, sessionId: Uuid): Promise<DurableEvent[]> {
  const text = `select public_id('event', id) as id, type, ts, seq as sequence, context, data from events where session_id = $1 order by seq`;
  return (await db.run({ name: 'test_log', text }, [sessionId])) as unknown as DurableEvent[];
}

export interface HandWorkerOptions {
  workerId?: string;
  bootId?: Uuid;
  /** Well above that of every stream before, unless given. */
  attachNo?: number;
  held?: { taskId: string; token: string }[];
  /** Seats; default 8 of each. */
  reason?: number;
  tool?: number;
}

/** A worker's end of an in-process attachment. */
export class HandWorker {
  static #attached = 0;
  readonly workerId: string;
  readonly bootId: Uuid;
  readonly attachNo: number;
  /** Settles when the control plane has ended the stream: null, or why it was refused. */
  readonly ended: Promise<Error | null>;
  readonly #incoming = new MessageQueue<WorkerMessage>();
  readonly #arrived: ServerMessage[] = [];
  readonly #abort = new AbortController();
  readonly #waiting = new Set<() => void>();

  constructor(engine: Pick<Engine, 'gateway'>, options: HandWorkerOptions = {}) {
    this.workerId = options.workerId ?? `worker-${ids.random()}`;
    this.bootId = options.bootId ?? ids.random();
    this.attachNo = options.attachNo ?? (HandWorker.#attached += 10);
    this.ended = this.#listen(engine).then(
      () => null,
      (error: unknown) => error as Error,
    );
    this.send({
      $case: 'hello',
      value: {
        workerId: this.workerId,
        bootId: this.bootId,
        held: options.held ?? [],
        slots: [
          { pool: 'reason', capacity: options.reason ?? 8 },
          { pool: 'tool', capacity: options.tool ?? 8 },
        ],
        hostname: 'test',
        version: 'test',
        workerGroup: '',
        attachNo: this.attachNo,
      },
    });
  }

  async #listen(engine: Pick<Engine, 'gateway'>): Promise<void> {
    for await (const message of engine.gateway.attach(this.#incoming, this.#abort.signal)) {
      this.#arrived.push(message);
      for (const wake of this.#waiting) wake();
    }
  }

  send(kind: NonNullable<WorkerMessage['kind']>): void {
    this.#incoming.push({ kind });
  }

  /** Takes the first message that matches, now or when it comes. */
  async take<C extends NonNullable<ServerMessage['kind']>['$case']>(
    $case: C,
    matches: (value: never) => boolean = () => true,
  ): Promise<Extract<NonNullable<ServerMessage['kind']>, { $case: C }>['value']> {
    for (;;) {
      const index = this.#arrived.findIndex((message) => message.kind?.$case === $case && matches(message.kind.value as never));
      if (index >= 0) return this.#arrived.splice(index, 1)[0]?.kind?.value as never;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  async reason(): Promise<{ task: Task; input: ReasonInput }> {
    const { task } = await this.take('assign', (value: { task?: Task }) => value.task?.pool === 'reason');
    return { task: task as Task, input: JSON.parse((task as Task).input.toString()) as ReasonInput };
  }

  async tool(callId?: string): Promise<{ task: Task; input: ToolInput }> {
    const inputOf = (task: Task): ToolInput => JSON.parse(task.input.toString()) as ToolInput;
    const { task } = await this.take(
      'assign',
      (value: { task?: Task }) => value.task?.pool === 'tool' && (callId === undefined || inputOf(value.task).call.id === callId),
    );
    return { task: task as Task, input: inputOf(task as Task) };
  }

  async complete(task: Task, outcome: TaskOutcome, acceptsNext = true): Promise<string> {
    this.send({
      $case: 'complete',
      value: { taskId: task.taskId, token: task.token, outcome: Buffer.from(JSON.stringify(outcome)), acceptsNext },
    });
    return (await this.take('completed', (value: { token: string }) => value.token === task.token)).verdict;
  }

  /** The connection is gone, as after kill -9. */
  vanish(): void {
    this.#abort.abort();
    this.#incoming.end();
  }
}

export function answer(input: ReasonInput, parts: Partial<ReasonOutcome> = {}): ReasonOutcome {
  return {
    kind: 'reason',
    success: true,
    events: [],
    text: 'Hello.',
    calls: [],
    max_iterations: 500,
    usage: { input_tokens: 10, output_tokens: 3 },
    duration_ms: 5,
    answered: {
      seen: input.seen,
      model: {
        provider_type: input.model.provider_type,
        model: input.model.model,
        ...(input.model.provider_id === undefined ? {} : { provider_id: input.model.provider_id }),
      },
    },
    ...parts,
  };
}

export function call(id: string, parts: Partial<ReasonOutcome['calls'][number]> = {}): ReasonOutcome['calls'][number] {
  return { id, name: `tool_${id}`, arguments: {}, side: 'server', effect: 'readonly', ...parts };
}

export function said(text: string): { content: { type: 'text'; text: string }[] } {
  return { content: [{ type: 'text', text }] };
}
