import { createServer, ServerError, Status, type CallContext } from 'nice-grpc';
import {
  WorkerServiceDefinition,
  type CallReply,
  type CallRequest,
  type ServerMessage,
  type WorkerMessage,
} from '@everruns/contract/generated/worker';
import { MessageQueue } from '@everruns/worker/links/message-queue';

export type Said = NonNullable<WorkerMessage['kind']>;

export interface GrpcStream {
  readonly said: Said[];
  send(kind: NonNullable<ServerMessage['kind']>): void;
  end(): void;
  readonly isOver: boolean;
}

export interface GrpcControlPlane {
  readonly address: string;
  readonly streams: GrpcStream[];
  /** What the worker said of one kind, over all its streams. */
  all<C extends Said['$case']>(kind: C): Extract<Said, { $case: C }>['value'][];
  /** Cuts every stream. */
  stop(): void;
}

export interface GrpcControlPlaneOptions {
  port?: number;
  token?: string;
  /** Answers what running steps ask for. */
  call?: (request: CallRequest) => Promise<CallReply>;
}

/** A control plane on a real socket that welcomes every worker with the right token. */
export async function startGrpcControlPlane(options: GrpcControlPlaneOptions = {}): Promise<GrpcControlPlane> {
  const streams: GrpcStream[] = [];
  const server = createServer({ 'grpc.max_receive_message_length': 64 * 1024 * 1024 });
  server.add(WorkerServiceDefinition, {
    async *attach(incoming: AsyncIterable<WorkerMessage>, context: CallContext) {
      if (options.token !== undefined && context.metadata.get('authorization') !== `Bearer ${options.token}`) {
        throw new ServerError(Status.UNAUTHENTICATED, 'the worker token is wrong');
      }
      const outgoing = new MessageQueue<ServerMessage>();
      const said: Said[] = [];
      const state = { isOver: false };
      streams.push({
        said,
        send: (kind) => outgoing.push({ kind }),
        end: () => outgoing.end(),
        get isOver() {
          return state.isOver;
        },
      });
      const reading = (async () => {
        for await (const { kind } of incoming) {
          if (kind === undefined) continue;
          said.push(kind);
          if (kind.$case === 'hello') {
            const held = kind.value.held.map(({ token }) => token);
            outgoing.push({ kind: { $case: 'welcome', value: { instanceId: 'i', held, lost: [] } } });
          }
          if (kind.$case === 'beat') outgoing.push({ kind: { $case: 'pulse', value: { n: kind.value.n } } });
        }
      })();
      reading.catch(() => undefined).finally(() => ((state.isOver = true), outgoing.end()));
      yield* outgoing;
    },
    call: (request) => options.call?.(request) ?? Promise.reject(new ServerError(Status.UNIMPLEMENTED, 'nobody answers calls here')),
  });
  const port = await server.listen(`127.0.0.1:${options.port ?? 0}`);
  return {
    address: `127.0.0.1:${port}`,
    streams,
    all: (kind) => streams.flatMap(({ said }) => said).flatMap((entry) => (entry.$case === kind ? [entry.value as never] : [])),
    stop: () => server.forceShutdown(),
  };
}
