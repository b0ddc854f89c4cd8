import { createPrivateKey, X509Certificate } from 'node:crypto';

/** What secures the link between worker and control plane; each is a path of a PEM file. */
export interface LinkCertificatePaths {
  /** This side's certificate, with the chain below it if there is one. */
  cert?: string | undefined;
  /** The private key of that certificate. */
  key?: string | undefined;
  /** What the other side's certificate must be signed by. */
  ca?: string | undefined;
}

/** The same, read: what is missing was not named, or is among the problems. */
export interface LinkCertificates {
  cert?: Buffer;
  key?: Buffer;
  ca?: Buffer;
}

export interface CertificateReading {
  /** Throws when there is no such file or it may not be read. */
  read(path: string): Buffer;
  /** Milliseconds since 1970. */
  nowMs: number;
}

/** The variables that name the files; the same on both sides. */
export const LINK_CERTIFICATE_VARIABLES = {
  cert: 'WORKER_GRPC_TLS_CERT',
  key: 'WORKER_GRPC_TLS_KEY',
  ca: 'WORKER_GRPC_TLS_CA_CERT',
} as const;

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * Reads the files and adds what is wrong with them to `problems`, one line each: what a handshake could only refuse over and over, in words
 * that nobody can trace back to a file.
 */
export function readLinkCertificates(paths: LinkCertificatePaths, problems: string[], reading: CertificateReading): LinkCertificates {
  const { cert: certName, key: keyName } = LINK_CERTIFICATE_VARIABLES;
  if ((paths.cert === undefined) !== (paths.key === undefined))
    problems.push(`${certName} and ${keyName} belong together: set both or none`);
  const read: LinkCertificates = {};
  for (const part of ['cert', 'key', 'ca'] as const) {
    const path = paths[part];
    if (path === undefined) continue;
    try {
      read[part] = reading.read(path);
    } catch (error) {
      problems.push(`${LINK_CERTIFICATE_VARIABLES[part]}: ${(error as Error).message}`);
    }
  }
  const own = read.cert === undefined ? [] : certificatesIn('cert', read.cert, problems);
  const trusted = read.ca === undefined ? [] : certificatesIn('ca', read.ca, problems);
  if (own[0] !== undefined) checkTime('cert', own[0], problems, reading.nowMs);
  // Of a bundle some may be over; without one that counts nobody would be let in.
  if (trusted[0] !== undefined && trusted.every((certificate) => !isCurrent(certificate, reading.nowMs))) {
    checkTime('ca', trusted[0], problems, reading.nowMs);
  }
  if (read.key !== undefined) checkKey(read.key, own[0], problems);
  return read;
}

function certificatesIn(part: 'cert' | 'ca', pem: Buffer, problems: string[]): X509Certificate[] {
  try {
    const found = (pem.toString('latin1').match(PEM_CERTIFICATE) ?? []).map((block) => new X509Certificate(block));
    if (found.length > 0) return found;
  } catch {
    // Said below: the library's own words name neither file nor place.
  }
  problems.push(`${LINK_CERTIFICATE_VARIABLES[part]}: is not a certificate in PEM`);
  return [];
}

function checkTime(part: 'cert' | 'ca', certificate: X509Certificate, problems: string[], nowMs: number): void {
  if (isCurrent(certificate, nowMs)) return;
  const { validFromDate: from, validToDate: to } = certificate;
  const problem = to.getTime() < nowMs ? `expired on ${to.toISOString()}` : `is not valid before ${from.toISOString()}`;
  problems.push(`${LINK_CERTIFICATE_VARIABLES[part]}: ${problem}`);
}

function isCurrent({ validFromDate, validToDate }: X509Certificate, nowMs: number): boolean {
  return validFromDate.getTime() <= nowMs && nowMs <= validToDate.getTime();
}

function checkKey(pem: Buffer, certificate: X509Certificate | undefined, problems: string[]): void {
  const name = LINK_CERTIFICATE_VARIABLES.key;
  try {
    const key = createPrivateKey(pem);
    if (certificate?.checkPrivateKey(key) === false) problems.push(`${name}: is not the key of ${LINK_CERTIFICATE_VARIABLES.cert}`);
  } catch {
    problems.push(`${name}: is not a private key in PEM, or has a passphrase`);
  }
}
