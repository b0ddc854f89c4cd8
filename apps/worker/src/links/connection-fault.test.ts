import { expect, it } from 'vitest';
import { explainFault } from './connection-fault.ts';

const saidByLibrary = (error: string) => `No connection established. Last error: ${error}. Resolution note: `;

it.each<[string, string, RegExp]>([
  [
    'no certificate of its own',
    '405D:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../x.c:918:SSL alert number 116\n',
    /set WORKER_GRPC_TLS_CERT and/,
  ],
  ['an expired certificate', 'Error: certificate has expired', /^its certificate has expired$/],
  ['an authority that is not known', 'Error: unable to verify the first certificate; if the root CA is', /not signed by an authority/],
  ['a certificate that signs itself', 'Error: self-signed certificate in certificate chain', /not signed by an authority/],
  [
    'another name',
    "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: Host: a. is not in b",
    /WORKER_GRPC_TLS_DOMAIN .*Host: a\. is not in b$/,
  ],
  [
    'plain text',
    'Error: 405D:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../x.c:77:\n',
    /does not speak TLS/,
  ],
  ['a hang-up', 'Failed to connect (2026-11-22T00:17:36.922Z)', /may not accept the certificate of this worker/],
])('%s is one line that says what to do', (_, error, line) => {
  expect(explainFault(saidByLibrary(error), true)).toMatch(line);
  expect(explainFault(saidByLibrary(error), true)).not.toContain('\n');
});

it('a hang-up on plain text may be TLS', () => {
  expect(explainFault(saidByLibrary('Failed to connect (2026-11-22T00:17:36.922Z)'), false)).toMatch(/may want TLS/);
});

it('what is not known stays as it is, in one line', () => {
  expect(explainFault(saidByLibrary('Error: connect ECONNREFUSED\n 127.0.0.1:1'), false)).toBe('connect ECONNREFUSED 127.0.0.1:1');
});
