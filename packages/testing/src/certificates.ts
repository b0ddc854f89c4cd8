import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fromDebianPackage } from './debian-package.ts';

export interface IssuedCertificate {
  cert: Buffer;
  key: Buffer;
  certPath: string;
  keyPath: string;
}

export interface CertificateAuthority {
  ca: Buffer;
  caPath: string;
  /** A certificate of its own key for these names (`DNS:cp.internal`, `IP:127.0.0.1`); 0 days and fewer: it is over. */
  issue(names: readonly string[], days?: number): Promise<IssuedCertificate>;
  dispose(): Promise<void>;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** An authority that nobody else knows, made by OpenSSL in a folder of its own. */
export async function createAuthority(name = 'Test authority'): Promise<CertificateAuthority> {
  const openssl = await fromDebianPackage('openssl', 'usr/bin/openssl');
  const folder = await mkdtemp(join(tmpdir(), 'everruns-authority-'));
  const file = (part: string): string => join(folder, part);
  const run = (...args: string[]) => promisify(execFile)(openssl, args);
  const caPath = file('ca.pem');
  await run('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', file('ca.key'), '-out', caPath);
  let issued = 0;
  return {
    ca: await readFile(caPath),
    caPath,
    async issue(names, days = 2) {
      const serial = `${++issued}`;
      const base = file(`issued-${serial}`);
      const [certPath, keyPath] = [`${base}.pem`, `${base}.key`];
      await run('req', ...NEW_KEY, '-subj', `/CN=${serial}`, '-keyout', keyPath, '-out', `${base}.csr`);
      await writeFile(`${base}.ext`, `subjectAltName=${names.join(',')}\n`);
      const signing = ['-CA', caPath, '-CAkey', file('ca.key'), '-set_serial', serial, '-days', `${days}`, '-extfile', `${base}.ext`];
      await run('x509', '-req', '-in', `${base}.csr`, ...signing, '-out', certPath);
      return { cert: await readFile(certPath), key: await readFile(keyPath), certPath, keyPath };
    },
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}
