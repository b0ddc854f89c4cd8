import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { WorkerGateway } from '@everruns/contract';
import type { ServerMessage } from '@everruns/contract/generated/worker';
import { loadConfig } from '@everruns/server/config';
import { startGrpc } from '@everruns/server/grpc';
import type { RunningGrpc } from '@everruns/server/grpc';
import type { GrpcTls as ServerTls, RefusedHandshake } from '@everruns/server/grpc-tls';
import { createAuthority } from '@everruns/testing/certificates';
import type { CertificateAuthority, IssuedCertificate } from '@everruns/testing/certificates';
import { parseWorkerConfig } from '@everruns/worker/config';
import { createGrpcLink } from '@everruns/worker/links/grpc-link';
import type { GrpcTls } from '@everruns/worker/links/grpc-link';

let authority: CertificateAuthority;
let other: CertificateAuthority;
let server: Record<'byAddress' | 'byName' | 'expired' | 'ofOther', IssuedCertificate>;
let worker: Record<'own' | 'expired' | 'ofOther', IssuedCertificate>;
const cleanUps: (() => unknown)[] = [];

beforeAll(async () => {
  [authority, other] = await Promise.all([createAuthority(), createAuthority('Another authority')]);
  const [byAddress, byName, expired, ofOther, own, ownExpired, ownOfOther] = await Promise.all([
    authority.issue(['IP:127.0.0.1']),
    authority.issue(['DNS:control-plane.internal']),
    authority.issue(['IP:127.0.0.1'], -1),
    other.issue(['IP:127.0.0.1']),
    authority.issue(['DNS:worker.internal']),
    authority.issue(['DNS:worker.internal'], -1),
    other.issue(['DNS:worker.internal']),
  ]);
  server = { byAddress, byName, expired, ofOther };
  worker = { own, expired: ownExpired, ofOther: ownOfOther };
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});
afterAll(() => Promise.all([authority.dispose(), other.dispose()]));

/** Welcomes whoever gets through. */
const gateway: WorkerGateway = {
  async *attach(incoming): AsyncIterable<ServerMessage> {
    yield { kind: { $case: 'welcome', value: { instanceId: 'i', held: [], lost: [] } } };
    for await (const _ of incoming) return;
  },
  call: () => Promise.reject(new Error('nobody calls here')),
};

interface Port extends RunningGrpc {
  address: string;
  refused: RefusedHandshake[];
}

async function listen(tls: ServerTls | null): Promise<Port> {
  const refused: RefusedHandshake[] = [];
  const running = await startGrpc({ address: '127.0.0.1:0', token: 'right', gateway, tls, refused: (fault) => refused.push(fault) });
  cleanUps.push(() => running.stop());
  return { ...running, address: `127.0.0.1:${running.port}`, refused };
}

/** What the worker's side says: `attached`, or why not. */
async function attach(port: Port, tls: GrpcTls | undefined, token = 'right'): Promise<string> {
  const signal = AbortSignal.timeout(5_000);
  const openLink = createGrpcLink({ addresses: [port.address], token, ...(tls !== undefined && { tls }) });
  try {
    const link = await openLink(signal);
    cleanUps.push(() => link.close());
    for await (const { kind } of link.receive) if (kind?.$case === 'welcome') return 'attached';
    return 'ended';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const certOf = ({ cert, key }: IssuedCertificate) => ({ cert, key });

describe('TLS of the worker port', () => {
  it('lets workers in that know its authority, at its address or at the name that they expect', async () => {
    expect(await attach(await listen(certOf(server.byAddress)), { ca: authority.ca })).toBe('attached');
    const named = await listen(certOf(server.byName));
    expect(await attach(named, { ca: authority.ca, domain: 'control-plane.internal' })).toBe('attached');
  });

  it('lets workers in that show a certificate of the authority that it asks for', async () => {
    const mutual = await listen({ ...certOf(server.byAddress), clientCa: authority.ca });
    expect(await attach(mutual, { ca: authority.ca, client: certOf(worker.own) })).toBe('attached');
    expect(mutual.refused).toEqual([]);
  });

  const mutual = () => listen({ ...certOf(server.byAddress), clientCa: authority.ca });
  it.each<[string, () => Promise<Port>, () => GrpcTls | undefined, readonly [ofWorker: RegExp, ofControlPlane?: RegExp]]>([
    ['no certificate', mutual, () => ({ ca: authority.ca }), [/asks for a certificate of this worker/, /^it shows no certificate/]],
    [
      'a certificate of another authority',
      mutual,
      () => ({ ca: authority.ca, client: certOf(worker.ofOther) }),
      [/may not accept the certificate of this worker/, /^its certificate is not accepted \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)$/],
    ],
    [
      'a certificate that is over',
      mutual,
      () => ({ ca: authority.ca, client: certOf(worker.expired) }),
      [/may not accept the certificate of this worker/, /^its certificate is not accepted \(CERT_HAS_EXPIRED\)$/],
    ],
    ['plain text, where certificates are asked for', mutual, () => undefined, [/may want TLS/, /^it does not speak TLS/]],
    ['plain text', () => listen(certOf(server.byAddress)), () => undefined, [/may want TLS/, /^it does not speak TLS/]],
    ['TLS for a port in plain text', () => listen(null), () => ({ ca: authority.ca }), [/does not speak TLS/]],
    [
      'an address that the certificate does not name',
      () => listen(certOf(server.byName)),
      () => ({ ca: authority.ca }),
      [/is for another name.*127\.0\.0\.1/],
    ],
    [
      'another name than the certificate has',
      () => listen(certOf(server.byName)),
      () => ({ ca: authority.ca, domain: 'elsewhere.internal' }),
      [/is for another name.*elsewhere\.internal/],
    ],
    [
      'a control plane whose certificate is over',
      () => listen(certOf(server.expired)),
      () => ({ ca: authority.ca }),
      [/its certificate has expired/],
    ],
    [
      'a control plane of another authority',
      () => listen(certOf(server.ofOther)),
      () => ({ ca: authority.ca }),
      [/not signed by an authority of WORKER_GRPC_TLS_CA_CERT/],
    ],
  ])('a worker with %s stays out, and both sides say why in one line', async (_, open, tls, [ours, theirs]) => {
    const port = await open();
    const line = await attach(port, tls());
    expect(line).toMatch(new RegExp(`^127\\.0\\.0\\.1:${port.port}: .*${ours.source}[^\\n]*$`));
    if (theirs !== undefined) await expect.poll(() => port.refused.map(({ reason }) => reason)).toEqual([expect.stringMatching(theirs)]);
  });

  it('says the same fault of an address once, not with each attempt', async () => {
    const port = await mutual();
    for (let attempt = 0; attempt < 3; attempt++) await attach(port, { ca: authority.ca });
    await expect.poll(() => port.refused).toEqual([{ address: '127.0.0.1', reason: expect.stringContaining('no certificate') as unknown }]);
  });

  it('is no substitute for the token', async () => {
    const port = await mutual();
    const tls = { ca: authority.ca, client: certOf(worker.own) };
    expect(await attach(port, tls, 'wrong')).toBe('The worker token is missing or wrong.');
    expect(await attach(port, tls, 'right and more')).toBe('The worker token is missing or wrong.');
    expect(await attach(port, tls)).toBe('attached');
  });
});

describe('the settings of TLS', () => {
  type Settings = Record<string, string>;
  const names = { cert: 'WORKER_GRPC_TLS_CERT', key: 'WORKER_GRPC_TLS_KEY', ca: 'WORKER_GRPC_TLS_CA_CERT' } as const;
  const pairOf = ({ certPath, keyPath }: IssuedCertificate): Settings => ({ [names.cert]: certPath, [names.key]: keyPath });
  const ofServer = (settings: Settings) => loadConfig({ DATABASE_URL: 'postgres://h/db', DEPLOYMENT_GRADE: 'dev', ...settings });

  it('are files, and the same on both sides', () => {
    const { cert, key } = server.byName;
    expect(ofServer({}).grpcTls).toBeNull();
    expect(ofServer(pairOf(server.byName)).grpcTls).toEqual({ cert, key });
    expect(ofServer({ ...pairOf(server.byName), [names.ca]: authority.caPath }).grpcTls).toEqual({ cert, key, clientCa: authority.ca });
    expect(parseWorkerConfig({ [names.ca]: authority.caPath }).grpc.tls).toEqual({ ca: authority.ca });
    const whole = { ...pairOf(worker.own), [names.ca]: authority.caPath, WORKER_GRPC_TLS_DOMAIN: 'control-plane.internal' };
    expect(parseWorkerConfig(whole).grpc.tls).toEqual({ ca: authority.ca, client: certOf(worker.own), domain: 'control-plane.internal' });
  });

  const halves = /WORKER_GRPC_TLS_CERT and WORKER_GRPC_TLS_KEY belong together/;
  it.each<[string, () => Settings, RegExp]>([
    ['a certificate without key', () => ({ [names.cert]: server.byName.certPath, [names.ca]: authority.caPath }), halves],
    ['a key without certificate', () => ({ [names.key]: server.byName.keyPath, [names.ca]: authority.caPath }), halves],
    ['a file that is not there', () => ({ [names.ca]: '/nowhere/ca.pem', ...pairOf(server.byName) }), /WORKER_GRPC_TLS_CA_CERT: ENOENT/],
    ['a folder', () => ({ [names.ca]: '/', ...pairOf(server.byName) }), /WORKER_GRPC_TLS_CA_CERT: EISDIR/],
    [
      'a key in place of the certificate',
      () => ({ ...pairOf({ ...server.byName, certPath: server.byName.keyPath }), [names.ca]: authority.caPath }),
      /WORKER_GRPC_TLS_CERT: is not a certificate in PEM/,
    ],
    [
      'the certificate in place of the key',
      () => ({ ...pairOf({ ...server.byName, keyPath: server.byName.certPath }), [names.ca]: authority.caPath }),
      /WORKER_GRPC_TLS_KEY: is not a private key in PEM/,
    ],
    [
      'the key of another certificate',
      () => ({ ...pairOf({ ...server.byName, keyPath: worker.own.keyPath }), [names.ca]: authority.caPath }),
      /WORKER_GRPC_TLS_KEY: is not the key of WORKER_GRPC_TLS_CERT/,
    ],
    [
      'a certificate that is over',
      () => ({ ...pairOf(server.expired), [names.ca]: authority.caPath }),
      /WORKER_GRPC_TLS_CERT: expired on 20/,
    ],
    [
      'an authority that is over',
      () => ({ ...pairOf(server.byName), [names.ca]: server.expired.certPath }),
      /WORKER_GRPC_TLS_CA_CERT: expired on 20/,
    ],
  ])('with %s neither side starts, and says so in one line', (_, settings, line) => {
    for (const start of [ofServer, parseWorkerConfig]) {
      expect(() => start(settings())).toThrow(line);
      expect(() => start(settings())).toThrow(/^Wrong settings: [^\n]*\.$/);
    }
  });

  it('of an authority may hold certificates that are over, when one counts', () => {
    const bundle = join(dirname(authority.caPath), 'bundle.pem');
    writeFileSync(bundle, Buffer.concat([server.expired.cert, authority.ca]));
    expect(parseWorkerConfig({ [names.ca]: bundle }).grpc.tls?.ca).toHaveLength(server.expired.cert.length + authority.ca.length);
  });

  it('that would have no effect are refused', () => {
    expect(() => ofServer({ [names.ca]: authority.caPath })).toThrow(/CA_CERT: workers can be asked for certificates only over TLS/);
    expect(() => parseWorkerConfig(pairOf(worker.own))).toThrow(/WORKER_GRPC_TLS_CERT needs WORKER_GRPC_TLS_CA_CERT/);
    expect(() => parseWorkerConfig({ WORKER_GRPC_TLS_DOMAIN: 'a' })).toThrow(/WORKER_GRPC_TLS_DOMAIN needs WORKER_GRPC_TLS_CA_CERT/);
  });

  it('are missed when others can reach the port of workers', () => {
    const open = { WORKER_GRPC_ADDR: '0.0.0.0:9001' };
    expect(ofServer(open).warnings).toEqual([expect.stringContaining('0.0.0.0 without TLS')]);
    expect(ofServer({ ...open, ...pairOf(server.byName) }).warnings).toEqual([]);
    expect(ofServer({ ...open, DEV_MODE: '1' }).warnings).toEqual([]);
  });
});
