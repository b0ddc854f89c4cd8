import { ApiError } from '@everruns/client';
import type { Command } from 'commander';
import type { Act, Session } from '../cli.ts';
import { saveProfile } from '../credentials.ts';
import { CommandError } from '../exit-codes.ts';
import { fields } from '../output.ts';

/** Who calls, and for which organization. */
export function accountCommands(program: Command, act: Act): void {
  program
    .command('login')
    .description('sign in: a browser opens, here or elsewhere, and asks whether this command may')
    .option('--token', 'paste a personal access token instead')
    .action(
      act(async (session, { token }: { token?: boolean }) =>
        signIn(session, token === true ? await pasted(session) : await deviceLogin(session)),
      ),
    );
  program
    .command('logout')
    .description('forget the stored token')
    .action(
      act(async ({ out, credentials, credentialsPath }) => {
        await saveProfile(credentialsPath, credentials.name, null);
        out.note('The token is forgotten. It stays valid until it is deleted or expires.');
      }),
    );
  program
    .command('status')
    .description('who you are, and where')
    .action(
      act(async ({ client, out, baseUrl, token }) => {
        const me = await client.api.get('/v1/auth/me');
        const organizations = (me.organizations ?? []).map(({ name, role }) => `${name} (${role})`).join(', ');
        const status = { api_url: baseUrl, ...me, token: masked(token) };
        out.show(status, () => fields({ api: baseUrl, user: `${me.name} <${me.email}>`, organizations, token: masked(token) }));
      }),
    );
  const orgs = program.command('orgs').description('organizations that you are in');
  orgs
    .command('list')
    .description('all of them')
    .action(
      act(async ({ client, out, credentials }) => {
        const { data } = await client.api.get('/v1/orgs');
        const mark = (id: string): string => (credentials.profile.org_id === id ? '*' : '');
        out.table(
          data,
          [
            ['', ({ id }) => mark(id)],
            ['ID', ({ id }) => id],
            ['NAME', ({ name }) => name],
          ],
          'You are in no organization yet.',
        );
      }),
    );
  orgs
    .command('select <org>')
    .description('work in this one, by id or name')
    .action(
      act(async ({ client, out, credentials, credentialsPath }, wanted: string) => {
        const { data } = await client.api.get('/v1/orgs');
        const found = data.find(({ id, name }) => id === wanted || name === wanted);
        if (found === undefined) throw new CommandError(`You are in no organization "${wanted}".`, 'not_found');
        await saveProfile(credentialsPath, credentials.name, { ...credentials.profile, org_id: found.id });
        out.note(`You work in ${found.name} now.`);
      }),
    );
}

function masked(token: string | undefined): string {
  return token === undefined ? 'none' : `${token.slice(0, 16)}...`;
}

async function pasted({ host }: Session): Promise<string> {
  const token = (await host.ask('Personal access token: '))?.trim() ?? '';
  if (token === '') throw new CommandError('No token was given.', 'usage');
  return token;
}

async function signIn(session: Session, token: string): Promise<void> {
  const { baseUrl, credentials, credentialsPath, host, out } = session;
  const answer = await host.fetch(`${baseUrl}/v1/auth/me`, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new CommandError('The server does not know this token.', 'unauthenticated');
  const { email } = (await answer.json()) as { email: string };
  const { org_id: _other, ...rest } = credentials.profile;
  await saveProfile(credentialsPath, credentials.name, { ...rest, api_url: baseUrl, api_key: token });
  out.note(`You are signed in as ${email}.`);
}

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** What a question that came too soon adds to the time between two. */
const SLOWER_SECS = 5;

/** RFC 8628: the browser may be on any machine. */
async function deviceLogin({ client, host, out }: Session): Promise<string> {
  const device = await client.api.post('/v1/auth/device/code', { body: { hostname: host.hostname, os: host.platform } });
  out.note(`Open ${device.verification_uri} and enter ${out.bold(device.user_code)}, or go there directly:`);
  out.note(device.verification_uri_complete);
  await host.openBrowser(device.verification_uri_complete);
  for (let waitSecs = device.interval; ;) {
    await host.pause(waitSecs * 1_000);
    try {
      return (await client.api.post('/v1/auth/device/token', { body: { grant_type: GRANT, device_code: device.device_code } }))
        .access_token;
    } catch (error) {
      const reason = oauthError(error);
      if (reason === 'slow_down') waitSecs += SLOWER_SECS;
      else if (reason !== 'authorization_pending') throw refusal(reason) ?? error;
    }
  }
}

/** The `error` of RFC 6749, which is no code of ours. */
function oauthError(error: unknown): string | null {
  const reason = error instanceof ApiError ? (error.problem as { error?: unknown }).error : undefined;
  return typeof reason === 'string' ? reason : null;
}

function refusal(reason: string | null): CommandError | null {
  if (reason === 'access_denied') return new CommandError('The login was refused.', 'forbidden');
  if (reason === 'expired_token') return new CommandError('The code was not entered in time: try again.', 'unauthenticated');
  return null;
}
