import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Where a profile's calls go, and with what. */
export interface Profile {
  api_url?: string;
  api_key?: string;
  org_id?: string;
}

interface CredentialsFile {
  current_profile?: string;
  profiles?: Record<string, Profile>;
}

/** `<config>/everruns/credentials.json`, readable by its owner alone. */
export function credentialsPath(env: Readonly<Record<string, string | undefined>>): string {
  const config = env['XDG_CONFIG_HOME'] ?? join(env['HOME'] ?? env['USERPROFILE'] ?? '.', '.config');
  return join(config, 'everruns', 'credentials.json');
}

export interface Credentials {
  /** The name of the profile that is used. */
  name: string;
  profile: Profile;
}

export async function loadCredentials(path: string, wanted: string | undefined): Promise<Credentials> {
  const file = await readCredentials(path);
  const name = wanted ?? file.current_profile ?? 'default';
  return { name, profile: file.profiles?.[name] ?? {} };
}

/** Null removes the profile. Written beside and moved, so that nobody reads half a file. */
export async function saveProfile(path: string, name: string, profile: Profile | null): Promise<void> {
  const file = await readCredentials(path);
  const profiles = { ...file.profiles };
  if (profile === null) delete profiles[name];
  else profiles[name] = profile;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify({ ...file, current_profile: name, profiles }, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

async function readCredentials(path: string): Promise<CredentialsFile> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as CredentialsFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
