import diagnostics from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { LINK_CERTIFICATE_VARIABLES, readLinkCertificates } from '@everruns/contract/link-certificates';
import type { LinkCertificatePaths } from '@everruns/contract/link-certificates';

/** TLS of the port that workers attach to. */
export interface GrpcTls {
  cert: Buffer;
  key: Buffer;
  /** When set, a worker must show a certificate that this authority has signed. */
  clientCa?: Buffer;
}

/** Null without certificate and key: plain text. What is wrong is added to `problems`. */
export function readGrpcTls(paths: LinkCertificatePaths, problems: string[]): GrpcTls | null {
  const { cert, key, ca } = readLinkCertificates(paths, problems, { read: (path) => readFileSync(path), nowMs: Date.now() });
  if (paths.ca !== undefined && paths.cert === undefined && paths.key === undefined) {
    const { ca: caName, cert: certName, key: keyName } = LINK_CERTIFICATE_VARIABLES;
    problems.push(`${caName}: workers can be asked for certificates only over TLS, which needs ${certName} and ${keyName}`);
  }
  if (cert === undefined || key === undefined) return null;
  return { cert, key, ...(ca !== undefined && { clientCa: ca }) };
}

const CONNECTIONS = 'net.server.socket';
/** Between two lines about the same fault of the same address: a worker tries every 2 s. */
const SAY_AGAIN_MS = 60_000;
const MAX_REMEMBERED = 1_000;

export interface RefusedHandshake {
  /** Of the other side; null when it was gone before anybody asked. */
  address: string | null;
  /** Ends the sentence "A worker cannot attach:". */
  reason: string;
}

export interface HandshakeWatch {
  port: number;
  refused: (handshake: RefusedHandshake) => void;
  nowMs: () => number;
}

/**
 * Tells of every handshake that fails on a port, once per minute, address and reason. The gRPC library drops such connections without a word
 * and keeps its socket server to itself; the first connection names it.
 */
export function watchHandshakes({ port, refused, nowMs }: HandshakeWatch): () => void {
  const said = new Map<string, number>();
  const failed = (error: Error & { code?: string }, socket: TLSSocket): void => {
    const hungUp = error.code === 'ECONNRESET' && reasonOfRefusal(socket) === null;
    if (hungUp) return; // a probe that only looks whether somebody listens, or a worker that says itself what it does not like
    const fault = { address: socket.remoteAddress ?? null, reason: reasonOf(error, socket) };
    const key = `${String(fault.address)} ${fault.reason}`;
    if (nowMs() - (said.get(key) ?? -Infinity) < SAY_AGAIN_MS) return;
    if (said.size >= MAX_REMEMBERED) said.clear();
    said.set(key, nowMs());
    refused(fault);
  };
  let server: TlsServer | null = null;
  const connected = (message: unknown): void => {
    const { socket } = message as { socket: Socket & { server?: unknown } };
    if (socket.localPort !== port || !(socket.server instanceof TlsServer)) return;
    diagnostics.unsubscribe(CONNECTIONS, connected);
    server = socket.server.on('tlsClientError', failed);
  };
  diagnostics.subscribe(CONNECTIONS, connected);
  return () => {
    diagnostics.unsubscribe(CONNECTIONS, connected);
    server?.off('tlsClientError', failed);
  };
}

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/PEER_DID_NOT_RETURN_A_CERTIFICATE/, 'it shows no certificate, and WORKER_GRPC_TLS_CA_CERT asks for one'],
  [/HTTP_REQUEST|WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|PACKET_LENGTH/, 'it does not speak TLS: set WORKER_GRPC_TLS_CA_CERT there'],
  [/ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_|UNSUPPORTED_CERTIFICATE)/, 'it does not accept the certificate of this control plane'],
];

function reasonOf(error: Error & { code?: string }, socket: TLSSocket): string {
  const refusal = reasonOfRefusal(socket);
  if (refusal !== null) return `its certificate is not accepted (${refusal})`;
  const code = error.code ?? error.message;
  return REASONS.find(([pattern]) => pattern.test(code))?.[1] ?? `the handshake failed (${code})`;
}

/** The code of what is wrong with the other side's certificate; the library's type has it as an error. */
function reasonOfRefusal({ authorizationError }: TLSSocket): string | null {
  const code: unknown = authorizationError;
  return typeof code === 'string' ? code : null;
}
