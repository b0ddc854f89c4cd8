import { randomBytes } from 'node:crypto';
import { access, appendFile, chmod, constants, link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, explainRefusals, StartError } from './errors.ts';

export interface Secrets {
  WORKER_GRPC_AUTH_TOKEN: string;
  SECRETS_ENCRYPTION_KEY: string;
  POSTGRES_PASSWORD: string;
}

/** The folder that keeps everything of a local Everruns: data, keys, logs. */
export interface Home {
  path: string;
  dataDir: string;
  logs: string;
  secrets: Secrets;
}

const MAKE: Record<keyof Secrets, () => string> = {
  WORKER_GRPC_AUTH_TOKEN: () => randomBytes(32).toString('base64url'),
  SECRETS_ENCRYPTION_KEY: () => `kek-v1:${randomBytes(32).toString('base64')}`,
  POSTGRES_PASSWORD: () => randomBytes(24).toString('base64url'),
};
const NAMES = Object.keys(MAKE) as (keyof Secrets)[];

/** Keys of one run, for data that ends with it. */
export function makeSecrets(): Secrets {
  return Object.fromEntries(NAMES.map((name) => [name, MAKE[name]()])) as unknown as Secrets;
}

/** Opens the folder, or makes it with new keys in it. Throws a StartError when it cannot be used. */
export function openHome(path: string): Promise<Home> {
  return explainRefusals(`use its data directory ${path}`, async () => {
    // As root the server's own user must pass through to its data; all that is secret is 0600 or 0700 itself.
    await mkdir(path, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    await requireUsable(path);
    const logs = join(path, 'logs');
    await mkdir(logs, { recursive: true, mode: 0o700 });
    return { path, dataDir: join(path, 'postgres'), logs, secrets: await loadSecrets(join(path, 'secrets.env')) };
  });
}

/** Root passes every check of the system; the mode bits still say what the owner meant. */
async function requireUsable(path: string): Promise<void> {
  await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  if (((await stat(path)).mode & 0o700) !== 0o700)
    throw new StartError(`Everruns cannot use its data directory ${path}: its mode denies access to its owner.`);
}

/** Reads the keys, making them once. A file appears complete or not at all, so two starts at once use the same keys. */
async function loadSecrets(file: string): Promise<Secrets> {
  const found = (await readSecrets(file)) ?? (await createSecrets(file));
  for (const name of NAMES) {
    if (found[name] !== undefined) continue;
    if (name === 'SECRETS_ENCRYPTION_KEY')
      throw new StartError(`${file} has no ${name}: bring it back, without it nothing that was encrypted can be read.`);
    const value = MAKE[name]();
    await appendFile(file, `${name}=${value}\n`);
    found[name] = value;
  }
  await chmod(file, 0o600);
  return found as Secrets;
}

async function readSecrets(file: string): Promise<Partial<Secrets> | undefined> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const pairs = text.split('\n').map((line) => /^(\w+)=(.+)$/.exec(line.trim()));
  return Object.fromEntries(pairs.filter((pair) => pair !== null).map((pair) => [pair[1], pair[2]]));
}

async function createSecrets(file: string): Promise<Partial<Secrets>> {
  const draft = `${file}.${process.pid}`;
  await writeFile(
    draft,
    Object.entries(makeSecrets())
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
    { mode: 0o600 },
  );
  await link(draft, file).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  await rm(draft, { force: true });
  return (await readSecrets(file)) ?? {};
}
