import { EmailAddress, passwordProblem } from '@everruns/contract';
import { z } from 'zod';
import { count, flag, positive, publicUrl, text, variable } from './config-variables.ts';
import type { AuthRates } from './limits/auth-limits.ts';
import type { MailSettings } from './identity/mail/transport.ts';
import type { Grade } from './services/model-resolution.ts';

/** The part of the environment that says who may call, and how they show who they are. */

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;
const MIN_SECRET_BYTES = 32;

const smtpUrl = z
  .string()
  .refine((value) => /^smtps?:\/\/[^/]/.test(value) && URL.canParse(value), 'expected an smtp or smtps URL')
  .optional();
const email = EmailAddress.optional();
const secret = z
  .string()
  .refine((value) => Buffer.byteLength(value) >= MIN_SECRET_BYTES, `expected at least ${MIN_SECRET_BYTES} bytes`)
  .optional();

export const AUTH_ENVIRONMENT = {
  AUTH_MODE: variable(
    z.enum(['none', 'admin', 'full', 'external']).optional(),
    '`none` in grade dev',
    'Who may call. `full`: everybody with an account; `admin`: the one of `AUTH_ADMIN_EMAIL`; `none` makes everybody the anonymous administrator and is refused outside grade dev.',
  ),
  AUTH_JWT_SECRET: variable(
    secret,
    'required unless `AUTH_MODE` is `none`',
    'Signs access tokens and derives the links of mails: at least 32 random bytes, the same on all instances. A new one ends access tokens, which clients renew, and the links of mails.',
  ),
  AUTH_JWT_ACCESS_TOKEN_LIFETIME: variable(positive, '`900`', 'Seconds that an access token is good for.'),
  AUTH_JWT_REFRESH_TOKEN_LIFETIME: variable(positive, '`2592000`', 'Seconds after its last use that a login ends.'),
  AUTH_ADMIN_EMAIL: variable(
    email,
    'required when `AUTH_MODE` is `admin`',
    'The operator: owner of the default organization, and sees the whole installation. In mode `full` from the moment its address is proven.',
  ),
  AUTH_ADMIN_PASSWORD: variable(
    text,
    'required when `AUTH_MODE` is `admin`',
    'The password of the operator. In mode `full` it is the first one: the account is made at start, and its password can be changed.',
  ),
  AUTH_DISABLE_PASSWORD: variable(flag, '`false`', 'Nobody logs in by password.'),
  AUTH_DISABLE_SIGNUP: variable(flag, '`false`', 'Nobody makes an account by themselves.'),
  AUTH_SIGNUP_EMAIL_CONFIRM: variable(
    flag,
    '`true`',
    'An account exists once its address is proven. With `false`, who signs up is told when an address has an account already.',
  ),
  AUTH_AUTO_JOIN_DEFAULT_ORG: variable(
    flag,
    '`false`',
    'New accounts become members of the default organization. For installations of one team only.',
  ),
  AUTH_BASE_URL: variable(
    publicUrl,
    '`PUBLIC_APP_URL` and `API_PREFIX`',
    'Address of the API that providers of logins send people back to, with the prefix.',
  ),
  FRONTEND_URL: variable(publicUrl, '`PUBLIC_APP_URL`', 'Address of the pages for people; links in mails lead there.'),
  EMAIL_PROVIDER: variable(
    z.enum(['disabled', 'smtp', 'console']).optional(),
    '`smtp` with `SMTP_URL`, else in grade dev `console`, else `disabled`',
    'How mails are sent. `console` prints them to the log and exists in grade dev only. With `disabled`, nobody can sign up by an address that has to be proven.',
  ),
  SMTP_URL: variable(
    smtpUrl,
    'unset',
    'Mail server: `smtps://user:password@host:465`, or `smtp://host:587`, which goes over to TLS when it can, with `?requireTLS=true` always.',
  ),
  EMAIL_FROM: variable(text, 'required with `smtp`', 'Sender of mails, such as `Everruns <no-reply@example.com>`.'),
  RATE_LIMIT_AUTH_LOGIN_PER_MINUTE: variable(count, '`10`, in grade dev `0`', 'Logins from one address in any minute; 0 = no limit.'),
  RATE_LIMIT_AUTH_REGISTER_PER_MINUTE: variable(
    count,
    '`5`, in grade dev `0`',
    'Registrations, requests for mails and uses of their links from one address in any minute; 0 = no limit.',
  ),
  RATE_LIMIT_AUTH_REFRESH_PER_MINUTE: variable(
    count,
    '`30`, in grade dev `0`',
    'Refreshes of access tokens from one address in any minute; 0 = no limit.',
  ),
  RATE_LIMIT_OAUTH_REGISTER_PER_MINUTE: variable(
    count,
    '`5`, in grade dev `0`',
    'MCP clients that register themselves from one address in any minute; 0 = no limit.',
  ),
  RATE_LIMIT_AUTH_ACCOUNT_LOGINS: variable(
    count,
    '`20`, in grade dev `0`',
    'Logins to one account in any 15 minutes, from wherever; 0 = no limit.',
  ),
  RATE_LIMIT_AUTH_ACCOUNT_MAILS_PER_MINUTE: variable(
    count,
    '`1`, in grade dev `0`',
    'Mails that can be asked for to one address in any minute; 0 = no limit.',
  ),
  RATE_LIMIT_AUTH_ACCOUNT_MAILS_PER_DAY: variable(
    count,
    '`8`, in grade dev `0`',
    'Mails that can be asked for to one address in any 24 hours; 0 = no limit.',
  ),
} as const;

export type AuthValues = { [K in keyof typeof AUTH_ENVIRONMENT]?: NonNullable<z.infer<(typeof AUTH_ENVIRONMENT)[K]>> };

export type AuthMode = 'none' | 'admin' | 'full';

export interface AuthSettings {
  readonly mode: AuthMode;
  /** Null only in mode `none`. */
  readonly jwtSecret: string | null;
  readonly accessSecs: number;
  readonly refreshSecs: number;
  /** The operator, by address in canonical form. Without a password it is somebody's who has one elsewhere. */
  readonly admin: { email: string; password: string | null } | null;
  readonly hasPasswords: boolean;
  /** Whether whoever comes can make an account, and whether it exists before its address is proven. */
  readonly signup: 'closed' | 'open' | 'confirmed';
  /** A provider of logins may bring new people; passwords have nothing to do with it. */
  readonly hasNewcomers: boolean;
  readonly joinsDefaultOrg: boolean;
  /** Null: the public address, with the API's prefix. */
  readonly baseUrl: string | null;
  /** Null: the public address. */
  readonly frontendUrl: string | null;
  readonly mail: MailSettings;
  readonly rates: AuthRates;
}

export interface AuthContext {
  grade: Grade;
  /** Where HTTP is served. */
  host: string;
  /** Under which people reach it, if that is known. */
  publicUrl: string | null;
  problems: string[];
  warnings: string[];
}

export function authOf(values: AuthValues, context: AuthContext): AuthSettings {
  const { grade, problems, warnings } = context;
  const mode = modeOf(values, context);
  if (mode !== 'none' && values.AUTH_JWT_SECRET === undefined) problems.push('AUTH_JWT_SECRET: required unless AUTH_MODE is none');
  const { AUTH_ADMIN_EMAIL: adminEmail, AUTH_ADMIN_PASSWORD: adminPassword } = values;
  if (adminEmail === undefined && (mode === 'admin' || adminPassword !== undefined)) {
    problems.push(`AUTH_ADMIN_EMAIL: required ${mode === 'admin' ? 'when AUTH_MODE is admin' : 'with AUTH_ADMIN_PASSWORD'}`);
  }
  if (mode === 'admin' && adminPassword === undefined) problems.push('AUTH_ADMIN_PASSWORD: required when AUTH_MODE is admin');
  if (mode === 'admin' && values.AUTH_DISABLE_PASSWORD === true)
    problems.push('AUTH_DISABLE_PASSWORD: AUTH_MODE=admin has nothing but a password');
  const weakness = mode === 'none' || adminPassword === undefined ? null : passwordProblem(adminPassword);
  if (weakness !== null) warnings.push(`AUTH_ADMIN_PASSWORD is weak: ${weakness}`);
  if (mode !== 'none' && grade !== 'dev') warnings.push(...warningsOf(context.publicUrl));
  const mail = mailOf(values, grade, problems);
  return {
    mode,
    jwtSecret: values.AUTH_JWT_SECRET ?? null,
    accessSecs: values.AUTH_JWT_ACCESS_TOKEN_LIFETIME ?? 900,
    refreshSecs: values.AUTH_JWT_REFRESH_TOKEN_LIFETIME ?? 2_592_000,
    admin: adminEmail === undefined ? null : { email: adminEmail, password: adminPassword ?? null },
    hasPasswords: mode !== 'none' && values.AUTH_DISABLE_PASSWORD !== true,
    signup: signupOf(values, { mode, mail, warnings }),
    hasNewcomers: mode === 'full' && values.AUTH_DISABLE_SIGNUP !== true,
    joinsDefaultOrg: values.AUTH_AUTO_JOIN_DEFAULT_ORG ?? false,
    baseUrl: values.AUTH_BASE_URL ?? null,
    frontendUrl: values.FRONTEND_URL ?? null,
    mail,
    rates: ratesOf(values, grade),
  };
}

function warningsOf(publicUrl: string | null): string[] {
  if (publicUrl === null)
    return ['PUBLIC_APP_URL is not set: links in mails lead to the address that is served, which others may not reach.'];
  return publicUrl.startsWith('https:') ? [] : ['PUBLIC_APP_URL is not https: passwords and cookies travel in plain text.'];
}

function modeOf(values: AuthValues, { grade, host, problems, warnings }: AuthContext): AuthMode {
  const mode = values.AUTH_MODE ?? (grade === 'dev' ? 'none' : undefined);
  if (mode === 'admin' || mode === 'full') return mode;
  if (mode === undefined) {
    if (!problems.some((problem) => problem.startsWith('AUTH_MODE'))) problems.push('AUTH_MODE: required outside grade dev');
  } else if (mode === 'external')
    problems.push('AUTH_MODE: external is not offered, people log in here or with Google or GitHub: use full');
  else if (grade !== 'dev') problems.push('AUTH_MODE: none is refused outside grade dev');
  else if (!LOOPBACK.test(host))
    warnings.push(`AUTH_MODE is none and ${host} is not a loopback address: whoever reaches it may do everything.`);
  return 'none';
}

function signupOf(
  values: AuthValues,
  { mode, mail, warnings }: { mode: AuthMode; mail: MailSettings; warnings: string[] },
): AuthSettings['signup'] {
  if (mode !== 'full' || values.AUTH_DISABLE_SIGNUP === true || values.AUTH_DISABLE_PASSWORD === true) return 'closed';
  if (values.AUTH_SIGNUP_EMAIL_CONFIRM === false) return 'open';
  if (mail.provider !== 'disabled') return 'confirmed';
  warnings.push('Nobody can sign up by password: addresses have to be proven, and EMAIL_PROVIDER is disabled.');
  return 'closed';
}

function mailOf(values: AuthValues, grade: Grade, problems: string[]): MailSettings {
  const { SMTP_URL: url, EMAIL_FROM: from } = values;
  const provider = values.EMAIL_PROVIDER ?? (url !== undefined ? 'smtp' : grade === 'dev' ? 'console' : 'disabled');
  if (provider === 'disabled') return { provider };
  if (provider === 'console') {
    if (grade !== 'dev') problems.push('EMAIL_PROVIDER: console is refused outside grade dev, the log would hold the links of mails');
    return { provider };
  }
  if (url === undefined && !problems.some((problem) => problem.startsWith('SMTP_URL'))) {
    problems.push('SMTP_URL: required when EMAIL_PROVIDER is smtp');
  }
  if (from === undefined) problems.push('EMAIL_FROM: required when mails are sent by SMTP');
  return { provider, url: url ?? '', from: from ?? '' };
}

function ratesOf(values: AuthValues, grade: Grade): AuthRates {
  const unless = (value: number | undefined, limit: number): number => value ?? (grade === 'dev' ? 0 : limit);
  return {
    loginsPerMinute: unless(values.RATE_LIMIT_AUTH_LOGIN_PER_MINUTE, 10),
    registersPerMinute: unless(values.RATE_LIMIT_AUTH_REGISTER_PER_MINUTE, 5),
    refreshesPerMinute: unless(values.RATE_LIMIT_AUTH_REFRESH_PER_MINUTE, 30),
    clientsPerMinute: unless(values.RATE_LIMIT_OAUTH_REGISTER_PER_MINUTE, 5),
    accountLogins: unless(values.RATE_LIMIT_AUTH_ACCOUNT_LOGINS, 20),
    accountMailsPerMinute: unless(values.RATE_LIMIT_AUTH_ACCOUNT_MAILS_PER_MINUTE, 1),
    accountMailsPerDay: unless(values.RATE_LIMIT_AUTH_ACCOUNT_MAILS_PER_DAY, 8),
  };
}
