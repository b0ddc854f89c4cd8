import { openDatabase } from '@everruns/storage';
import { percentile, startControlPlane } from './stack.ts';

/**
 * Whether the time of an answer tells whether there is an account: the same requests for ones that are there and for ones that are not, each address
 * asked about once by each, taken in turns, so that whatever else the machine does happens to both. And what is left of 10,000 attempts on one account.
 */
const SAMPLES = 200;
const WARM_UP = 20;
const TOLERANCE = 0.1;
const ATTEMPTS = 10_000;
const AT_ONCE = 20;

const KNOWN = 'operator@example.com';
const DEFAULT_ORG = 'org_00000000000000000000000000000001';
const PASSWORD = 'correct horse battery 1';
const ENVIRONMENT = {
  AUTH_MODE: 'full',
  AUTH_JWT_SECRET: 'a secret of more than thirty-two bytes',
  AUTH_ADMIN_EMAIL: KNOWN,
  AUTH_ADMIN_PASSWORD: PASSWORD,
  EMAIL_PROVIDER: 'console',
};

interface Comparison {
  name: string;
  knownMs: number;
  unknownMs: number;
  isEqual: boolean;
}

export async function benchLogins(): Promise<number> {
  const quiet = await compareTimings();
  console.log('| request | known, median ms | unknown, median ms | ratio |\n| --- | --- | --- | --- |');
  for (const { name, knownMs, unknownMs } of quiet) {
    console.log(`| ${name} | ${knownMs.toFixed(2)} | ${unknownMs.toFixed(2)} | ${(knownMs / unknownMs).toFixed(3)} |`);
  }
  const reached = await attack();
  console.log(`\nOf ${ATTEMPTS} attempts on one account from as many addresses, ${reached} got to the password.`);
  return quiet.every(({ isEqual }) => isEqual) && reached === 20 ? 0 : 1;
}

async function compareTimings(): Promise<Comparison[]> {
  const controlPlane = await startControlPlane(ENVIRONMENT);
  try {
    const post = poster(controlPlane.url);
    await signUp(controlPlane.postgres.url());
    const requests: Record<string, (email: string) => Promise<unknown>> = {
      login: (email) => post('login', { email, password: 'a wrong password 1' }),
      register: (email) => post('register', { email, password: PASSWORD, name: 'Somebody' }),
      'forgot-password': (email) => post('forgot-password', { email }),
      'resend-verification': (email) => post('resend-verification', { email }),
    };
    const compared: Comparison[] = [];
    for (const [name, ask] of Object.entries(requests)) compared.push(await compare(name, ask));
    const operator = await logIn(controlPlane.url);
    compared.push(await compare('invite', (email) => operator('POST', `/orgs/${DEFAULT_ORG}/invites`, { email }), withdraw(operator)));
    compared.push(await compare('resolve-org', (email) => operator('GET', `/resolve-org?id=${organizationOf(email)}`)));
    return compared;
  } finally {
    await controlPlane.stop();
  }
}

/** Accounts like the operator's, `known0@example.com` and so on. */
async function signUp(url: string): Promise<void> {
  const db = openDatabase({ url, poolSize: 1 });
  const text = `insert into users (id, email, name, auth_provider, password_hash, email_verified_at)
    select uuidv7(), 'known' || n || '@example.com', 'Known', 'password', (select password_hash from users where email = $1), now()
    from generate_series(0, $2::int - 1) n`;
  await db.run({ name: 'bench_sign_up', text }, [KNOWN, SAMPLES + WARM_UP]);
  const organizations = `insert into organizations (id, name)
    select ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'Of others' from generate_series(0, $1::int - 1) n`;
  await db.run({ name: 'bench_organizations', text: organizations }, [SAMPLES + WARM_UP]);
  await db.close();
}

/** The organization of a known number, which is not the operator's, or one that never was. */
function organizationOf(email: string): string {
  const [, kind = '', n = ''] = /^([a-z]+)(\d+)@/.exec(email) ?? [];
  return `org_00000000000040008000${kind === 'known' ? '' : 'f'}${Number(n)
    .toString(16)
    .padStart(kind === 'known' ? 12 : 11, '0')}`;
}

type Call = (method: string, path: string, body?: unknown) => Promise<{ id?: string }>;

async function logIn(url: string): Promise<Call> {
  const call =
    (headers: Record<string, string>): Call =>
    async (method, path, body) => {
      const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json' } };
      const answer = await fetch(`${url}/api/v1${path}`, { method, headers, ...sent });
      const text = await answer.text();
      return text === '' ? {} : (JSON.parse(text) as { id?: string });
    };
  const { access_token: token } = (await call({})('POST', '/auth/login', { email: KNOWN, password: PASSWORD })) as {
    access_token?: string;
  };
  return call({ authorization: `Bearer ${token}`, 'x-org-id': DEFAULT_ORG });
}

/** An organization has only so many open invitations. */
function withdraw(operator: Call): (made: unknown) => Promise<unknown> {
  return (made) => operator('DELETE', `/orgs/${DEFAULT_ORG}/invites/${(made as { id: string }).id}`);
}

/** `after` is not timed. */
async function compare(
  name: string,
  ask: (email: string) => Promise<unknown>,
  after: (answer: unknown) => Promise<unknown> = () => Promise.resolve(),
): Promise<Comparison> {
  const timesMs: Record<'known' | 'nobody', number[]> = { known: [], nobody: [] };
  for (let n = 0; n < SAMPLES + WARM_UP; n++) {
    for (const kind of n % 2 === 0 ? (['known', 'nobody'] as const) : (['nobody', 'known'] as const)) {
      const startedMs = performance.now();
      const answer = await ask(`${kind}${n}@example.com`);
      if (n >= WARM_UP) timesMs[kind].push(performance.now() - startedMs);
      await after(answer);
    }
  }
  const [knownMs, unknownMs] = [percentile(timesMs.known, 0.5), percentile(timesMs.nobody, 0.5)];
  return { name, knownMs, unknownMs, isEqual: Math.abs(knownMs / unknownMs - 1) <= TOLERANCE };
}

/** How many attempts were answered otherwise than with "too many". */
async function attack(): Promise<number> {
  const controlPlane = await startControlPlane({ ...ENVIRONMENT, RATE_LIMIT_AUTH_ACCOUNT_LOGINS: '20' });
  try {
    const post = poster(controlPlane.url);
    let [next, reached] = [0, 0];
    const attacker = async (): Promise<void> => {
      for (let n = next++; n < ATTEMPTS; n = next++) {
        const status = await post('login', { email: KNOWN, password: `wrong ${n}` }, `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
        if (status !== 429) reached++;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, attacker));
    return reached;
  } finally {
    await controlPlane.stop();
  }
}

type Post = (path: string, body: unknown, address?: string) => Promise<number>;

function poster(url: string): Post {
  return async (path, body, address = '198.51.100.1') => {
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': address };
    const response = await fetch(`${url}/api/v1/auth/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    await response.arrayBuffer();
    return response.status;
  };
}
