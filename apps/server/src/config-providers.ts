import { z } from 'zod';
import type { AuthMode } from './config-auth.ts';
import { publicUrl, text, variable } from './config-variables.ts';
import { GITHUB } from './identity/providers/github.ts';
import type { GithubSettings } from './identity/providers/github.ts';
import { GOOGLE } from './identity/providers/google.ts';
import type { GoogleSettings } from './identity/providers/google.ts';

/** The part of the environment that says where else people can log in. */

const domains = z
  .string()
  .transform((list) =>
    list
      .split(',')
      .map((domain) => domain.trim().toLowerCase())
      .filter((domain) => domain !== ''),
  )
  .refine((list) => list.every((domain) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain)), 'expected domains such as example.com')
  .optional();

/** Secrets travel there: plain http is for a provider on the same machine. */
const providerUrl = publicUrl.refine(
  (url) => url === undefined || url.startsWith('https:') || /^http:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|\/|$)/.test(url),
  'expected an https URL',
);

export const PROVIDER_ENVIRONMENT = {
  AUTH_GOOGLE_CLIENT_ID: variable(text, 'unset', 'Lets people log in with Google; for `AUTH_MODE` `full`.'),
  AUTH_GOOGLE_CLIENT_SECRET: variable(text, 'required with `AUTH_GOOGLE_CLIENT_ID`', 'The secret of that client.'),
  AUTH_GOOGLE_REDIRECT_URI: variable(
    publicUrl,
    '`AUTH_BASE_URL` and `/v1/auth/callback/google`',
    'Where Google sends people back to, as the client is registered there.',
  ),
  AUTH_GOOGLE_ALLOWED_DOMAINS: variable(
    domains,
    'unset',
    'Domains of Google Workspace, separated by commas, whose people may log in; `gmail.com` for accounts without one. Unset: everybody.',
  ),
  AUTH_GOOGLE_ISSUER_URL: variable(providerUrl, `\`${GOOGLE}\``, 'Another OpenID provider in place of Google.'),
  AUTH_GITHUB_CLIENT_ID: variable(text, 'unset', 'Lets people log in with GitHub; for `AUTH_MODE` `full`.'),
  AUTH_GITHUB_CLIENT_SECRET: variable(text, 'required with `AUTH_GITHUB_CLIENT_ID`', 'The secret of that client.'),
  AUTH_GITHUB_REDIRECT_URI: variable(
    publicUrl,
    '`AUTH_BASE_URL` and `/v1/auth/callback/github`',
    'Where GitHub sends people back to, as the client is registered there.',
  ),
  AUTH_GITHUB_BASE_URL: variable(providerUrl, `\`${GITHUB}\``, 'A GitHub Enterprise Server in place of github.com.'),
} as const;

export type ProviderValues = { [K in keyof typeof PROVIDER_ENVIRONMENT]?: NonNullable<z.infer<(typeof PROVIDER_ENVIRONMENT)[K]>> };

/** Null: nobody logs in there. */
export interface ProviderSettings {
  readonly google: GoogleSettings | null;
  readonly github: GithubSettings | null;
}

export interface ProviderContext {
  mode: AuthMode;
  problems: string[];
  warnings: string[];
}

export function providersOf(values: ProviderValues, context: ProviderContext): ProviderSettings {
  const google = clientOf(values, 'GOOGLE', context);
  const github = clientOf(values, 'GITHUB', context);
  const allowedDomains = values.AUTH_GOOGLE_ALLOWED_DOMAINS ?? [];
  return {
    google: google && { ...google, issuer: values.AUTH_GOOGLE_ISSUER_URL ?? GOOGLE, allowedDomains },
    github: github && { ...github, baseUrl: values.AUTH_GITHUB_BASE_URL ?? GITHUB },
  };
}

function clientOf(values: ProviderValues, name: 'GOOGLE' | 'GITHUB', { mode, problems, warnings }: ProviderContext) {
  const clientId = values[`AUTH_${name}_CLIENT_ID`];
  const clientSecret = values[`AUTH_${name}_CLIENT_SECRET`];
  if (clientId === undefined && clientSecret === undefined) return null;
  if (clientId === undefined) problems.push(`AUTH_${name}_CLIENT_ID: required with AUTH_${name}_CLIENT_SECRET`);
  if (clientSecret === undefined) problems.push(`AUTH_${name}_CLIENT_SECRET: required with AUTH_${name}_CLIENT_ID`);
  if (mode !== 'full') {
    warnings.push(`AUTH_${name}_CLIENT_ID has no effect: only with AUTH_MODE=full people log in with accounts of their own.`);
    return null;
  }
  return { clientId: clientId ?? '', clientSecret: clientSecret ?? '', redirectUri: values[`AUTH_${name}_REDIRECT_URI`] ?? null };
}
