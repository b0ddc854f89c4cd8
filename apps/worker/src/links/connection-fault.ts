const CAUSES: readonly (readonly [RegExp, string])[] = [
  [
    /alert certificate required|PEER_DID_NOT_RETURN/i,
    'it asks for a certificate of this worker: set WORKER_GRPC_TLS_CERT and WORKER_GRPC_TLS_KEY',
  ],
  [/certificate has expired|CERT_HAS_EXPIRED/, 'its certificate has expired'],
  [/certificate is not yet valid/, 'its certificate is not valid yet'],
  [
    /unable to (verify|get)|self[- ]signed/,
    'its certificate is not signed by an authority of WORKER_GRPC_TLS_CA_CERT, or without the chain between them',
  ],
  [/wrong version number|packet length|unsupported protocol/, 'it does not speak TLS, which WORKER_GRPC_TLS_CA_CERT turns on'],
];
const WRONG_NAME = /ERR_TLS_CERT_ALTNAME_INVALID.*?: (.*)$/;
/** What the gRPC library says when the other side hung up without a reason. */
const HUNG_UP = /^Failed to connect/;

/** One line that says what to do, from what the gRPC library says about a channel that has no connection. */
export function explainFault(details: string, usesTls: boolean): string {
  const line = details
    .replaceAll(/\s+/g, ' ')
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replace(/\.? Resolution note:.*$/, '')
    .replace(/[\s:]+$/, '');
  const name = WRONG_NAME.exec(line);
  if (name !== null) return `its certificate is for another name than the one expected, WORKER_GRPC_TLS_DOMAIN may say which: ${name[1]}`;
  if (HUNG_UP.test(line)) {
    return usesTls
      ? 'it broke the connection off; it may not accept the certificate of this worker, its log says why'
      : 'it broke the connection off; it may want TLS, which WORKER_GRPC_TLS_CA_CERT turns on';
  }
  return CAUSES.find(([pattern]) => pattern.test(line))?.[1] ?? line;
}
