import { ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { createClient, createChannel, ClientError, Metadata, Status, type Channel } from 'nice-grpc';
import type { OpenLink, WorkerLink } from '@everruns/contract';
import { WorkerServiceDefinition, type CallReply, type WorkerMessage, type WorkerServiceClient } from '@everruns/contract/generated/worker';
import { explainFault } from './connection-fault.ts';
import { firstReady } from './first-ready.ts';
import { LinkRefused } from './link-refused.ts';
import { MessageQueue } from './message-queue.ts';

export interface GrpcLinkOptions {
  /** `host:port`, the preferred control plane first. */
  addresses: readonly string[];
  /** Bearer token; absent when the control plane asks for none. */
  token?: string;
  /** Certificates in PEM; absent for plain text. */
  tls?: GrpcTls;
}

export interface GrpcTls {
  ca: Buffer;
  /** Presented to the control plane. */
  client?: { cert: Buffer; key: Buffer };
  /** Name that the control plane's certificate must carry instead of the address. */
  domain?: string;
}

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** After the last message the other side has this long to end the stream. */
const CLOSE_WITHIN_MS = 1_000;

/**
 * Links over gRPC. All addresses are tried at the same time, and the earliest in the list that answers is taken; the next link prefers the
 * one after it, so that a control plane which answers but does not work holds nobody for ever.
 */
export function createGrpcLink(options: GrpcLinkOptions): OpenLink {
  let preferred = 0;
  return async (signal) => {
    const order = [...options.addresses.slice(preferred), ...options.addresses.slice(0, preferred)];
    const channels = order.map((address) => openChannel(address, options.tls));
    let chosen: Channel | null = null;
    try {
      const index = await firstReady(channels, signal);
      chosen = channels[index] as Channel;
      preferred = (preferred + index + 1) % order.length;
      return attach(chosen, options.token, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(`${order.join(', ')}: ${explainFault(await reasonOf(channels[0] as Channel, error), options.tls !== undefined)}`, {
        cause: error,
      });
    } finally {
      for (const channel of channels) if (channel !== chosen) channel.close();
    }
  };
}

function openChannel(address: string, tls: GrpcTls | undefined): Channel {
  const options: ChannelOptions = {
    'grpc.keepalive_time_ms': 2_000,
    'grpc.keepalive_timeout_ms': 2_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc-node.flow_control_window': 4 * 1024 * 1024,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    'grpc.enable_retries': 0,
    // Otherwise a new channel inherits the back-off of the one that just failed.
    'grpc.use_local_subchannel_pool': 1,
  };
  if (tls === undefined) return createChannel(address, ChannelCredentials.createInsecure(), options);
  if (tls.domain !== undefined) {
    options['grpc.ssl_target_name_override'] = tls.domain;
    options['grpc.default_authority'] = tls.domain;
  }
  return createChannel(address, ChannelCredentials.createSsl(tls.ca, tls.client?.key, tls.client?.cert), options);
}

function attach(channel: Channel, token: string | undefined, signal: AbortSignal): WorkerLink {
  const client: WorkerServiceClient = createClient(WorkerServiceDefinition, channel);
  const outgoing = new MessageQueue<WorkerMessage>();
  const end = new AbortController();
  const metadata = Metadata(token === undefined ? undefined : { authorization: `Bearer ${token}` });
  const incoming = client.attach(outgoing, { signal: AbortSignal.any([signal, end.signal]), metadata });
  let closing: NodeJS.Timeout | null = null;
  return {
    send: (message) => outgoing.push(message),
    receive: untilClosed(incoming, () => {
      if (closing !== null) clearTimeout(closing);
      channel.close();
    }),
    call: (request, callSignal) =>
      client.call(request, { signal: AbortSignal.any([signal, end.signal, callSignal]), metadata }).catch(answerOf),
    close() {
      outgoing.end();
      closing ??= setTimeout(() => {
        end.abort();
        channel.close();
      }, CLOSE_WITHIN_MS).unref();
    },
  };
}

/** What would fail in the same way every time is an answer; anything else is for the next link. */
function answerOf(error: unknown): CallReply {
  if (!(error instanceof ClientError)) throw error;
  const { code, details } = error;
  if (code === Status.RESOURCE_EXHAUSTED) return problem('payload_too_large', 'It is larger than one message can be.');
  if (code === Status.UNIMPLEMENTED) return problem('not_in_this_version', details);
  throw error;
}

function problem(code: string, message: string): CallReply {
  return { kind: { $case: 'problem', value: { code, message, field: '' } } };
}

async function* untilClosed<T>(incoming: AsyncIterable<T>, closed: () => void): AsyncIterable<T> {
  try {
    yield* incoming;
  } catch (error) {
    if (error instanceof ClientError && (error.code === Status.UNAUTHENTICATED || error.code === Status.PERMISSION_DENIED)) {
      throw new LinkRefused(error.details, { cause: error });
    }
    throw error;
  } finally {
    closed();
  }
}

/** A channel does not say why it has no connection; a call on it does. */
async function reasonOf(channel: Channel, error: unknown): Promise<string> {
  const client: WorkerServiceClient = createClient(WorkerServiceDefinition, channel);
  const nothing = new MessageQueue<WorkerMessage>();
  nothing.end();
  try {
    for await (const _ of client.attach(nothing, { signal: AbortSignal.timeout(CLOSE_WITHIN_MS) })) break;
  } catch (failure) {
    if (failure instanceof ClientError) return failure.details;
  }
  return error instanceof Error ? error.message : String(error);
}
