import { createHash, timingSafeEqual } from 'node:crypto';
import { ServerCredentials } from '@grpc/grpc-js';
import { createServer, ServerError, Status } from 'nice-grpc';
import type { CallContext, Server, ServerMiddlewareCall } from 'nice-grpc';
import type { WorkerGateway } from '@everruns/contract';
import { WorkerServiceDefinition } from '@everruns/contract/generated/worker';
import type { WorkerServiceImplementation } from '@everruns/contract/generated/worker';
import { watchHandshakes } from './grpc-tls.ts';
import type { GrpcTls, RefusedHandshake } from './grpc-tls.ts';
import { WorkerRefused } from './turns/adoption.ts';

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

export interface GrpcOptions {
  /** `host:port`. */
  address: string;
  /** Every call must carry it as bearer token; null only in grade dev. */
  token: string | null;
  gateway: WorkerGateway;
  /** Null: plain text. */
  tls: GrpcTls | null;
  /** With TLS: told of connections that never became any, so that somebody finds out why a worker is missing. */
  refused?: (handshake: RefusedHandshake) => void;
}

export interface RunningGrpc {
  /** Its `shutdown()` lets streams end. */
  server: Server;
  port: number;
  /** Cuts what is left. */
  stop(): void;
}

/** Serves workers. */
export async function startGrpc(options: GrpcOptions): Promise<RunningGrpc> {
  const server = createServer({
    'grpc.keepalive_time_ms': 2_000,
    'grpc.keepalive_timeout_ms': 2_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc-node.flow_control_window': 4 * 1024 * 1024,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  }).use(requireToken(options.token));
  const service: WorkerServiceImplementation = {
    attach: (request, context: CallContext) => options.gateway.attach(request, context.signal),
    call: (request) => options.gateway.call(request),
  };
  server.add(WorkerServiceDefinition, service);
  const port = await server.listen(options.address, credentialsOf(options.tls));
  const { tls, refused } = options;
  const stopWatching = tls !== null && refused !== undefined ? watchHandshakes({ port, refused, nowMs: () => performance.now() }) : null;
  return {
    server,
    port,
    stop() {
      stopWatching?.();
      server.forceShutdown();
    },
  };
}

function credentialsOf(tls: GrpcTls | null): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(tls.clientCa ?? null, [{ cert_chain: tls.cert, private_key: tls.key }], tls.clientCa !== undefined);
}

function requireToken(token: string | null) {
  return async function* <Request, Response>(call: ServerMiddlewareCall<Request, Response>, context: CallContext) {
    const given = context.metadata.get('authorization') ?? '';
    if (token !== null && !sameSecret(given, `Bearer ${token}`)) {
      throw new ServerError(Status.UNAUTHENTICATED, 'The worker token is missing or wrong.');
    }
    try {
      return yield* call.next(call.request, context);
    } catch (error) {
      throw error instanceof WorkerRefused ? new ServerError(Status.UNAVAILABLE, error.message) : error;
    }
  };
}

/** Compares in constant time, whatever the lengths. */
function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
