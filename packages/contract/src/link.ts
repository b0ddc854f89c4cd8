import type { CallReply, CallRequest, ServerMessage, WorkerMessage } from './generated/worker.ts';

/**
 * One attachment of a worker to a control plane: the gRPC stream, or the same thing inside one process. Messages arrive in the order they
 * were sent. `receive` ends or throws when the connection is gone; `send` on a dead link is dropped.
 */
export interface WorkerLink {
  send(message: WorkerMessage): void;
  receive: AsyncIterable<ServerMessage>;
  /** Asks for one thing in the name of a lease. Rejects when the link breaks before the reply is here; the op may have been done. */
  call(request: CallRequest, signal: AbortSignal): Promise<CallReply>;
  close(): void;
}

/** Opens one attachment; throws when no control plane can be reached. The signal ends the attempt and the link. */
export type OpenLink = (signal: AbortSignal) => Promise<WorkerLink>;

/** The control plane's side of the same thing: called once per attachment, until it settles. */
export interface WorkerGateway {
  attach(incoming: AsyncIterable<WorkerMessage>, signal: AbortSignal): AsyncIterable<ServerMessage>;
  call(request: CallRequest): Promise<CallReply>;
}
