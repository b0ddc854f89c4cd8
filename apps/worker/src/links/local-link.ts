import type { OpenLink, WorkerGateway } from '@everruns/contract';
import type { WorkerMessage } from '@everruns/contract/generated/worker';
import { MessageQueue } from './message-queue.ts';

/** The way to a control plane in the same process: the same messages without a socket. */
export function linkTo(gateway: WorkerGateway): OpenLink {
  return (signal) => {
    const outgoing = new MessageQueue<WorkerMessage>();
    const receive = gateway.attach(outgoing, signal);
    return Promise.resolve({
      send: (message) => outgoing.push(message),
      receive,
      call: (request) => gateway.call(request),
      close: () => outgoing.end(),
    });
  };
}
