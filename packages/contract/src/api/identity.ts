import { z } from 'zod';
import { ShortText } from './common.ts';

/** Logging in, signing up and what belongs to it (contract 2.2). */

/** As HTML has it for its input fields (4.10.5.1.5): what can be an address, without the comments and quotes that mail allows. */
const ADDRESS = /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** In canonical form: trimmed, in lower case. Two spellings of it are one address. */
export const EmailAddress = z.string().trim().toLowerCase().max(254).regex(ADDRESS, 'Expected an email address.');

export const PASSWORD_LENGTH = { min: 12, max: 128 };

/** What is wrong with a new password, or null. One that was fine once stays fine. */
export function passwordProblem(password: string): string | null {
  const { length } = Array.from(password);
  if (length < PASSWORD_LENGTH.min || length > PASSWORD_LENGTH.max) {
    return `A password has ${PASSWORD_LENGTH.min} to ${PASSWORD_LENGTH.max} characters.`;
  }
  return /\d/.test(password) ? null : 'A password has at least one digit.';
}

const NewPassword = z.string().superRefine((password, ctx) => {
  const message = passwordProblem(password);
  if (message !== null) ctx.addIssue({ code: 'custom', message });
});

export const Login = z.object({ email: EmailAddress, password: z.string().max(1_024) }).meta({ id: 'Login' });
export type Login = z.infer<typeof Login>;

export const Register = z.object({ email: EmailAddress, password: NewPassword, name: ShortText.trim().min(1) }).meta({ id: 'Register' });
export type Register = z.infer<typeof Register>;

export const Refresh = z.object({ refresh_token: z.string().max(1_024).nullish() }).meta({ id: 'Refresh' });

export const ForAddress = z.object({ email: EmailAddress }).meta({ id: 'ForAddress' });

const MailToken = z.string().min(1).max(256);
export const ResetPassword = z.object({ token: MailToken, password: NewPassword }).meta({ id: 'ResetPassword' });
export type ResetPassword = z.infer<typeof ResetPassword>;

export const VerifyEmail = z.object({ token: MailToken }).meta({ id: 'VerifyEmail' });

export const Done = z.object({ ok: z.literal(true) }).meta({ id: 'Done' });

export const TokenResponse = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.int().describe('Seconds'),
    refresh_token: z.string().optional(),
  })
  .meta({ id: 'TokenResponse' });
export type TokenResponse = z.infer<typeof TokenResponse>;

export const AuthConfig = z
  .object({
    mode: z.enum(['none', 'admin', 'full', 'external']),
    password_auth_enabled: z.boolean(),
    oauth_providers: z.array(z.string()),
    signup_enabled: z.boolean(),
    signup_email_confirm: z.boolean().optional().describe('An account exists once its address is proven'),
    password_recovery_enabled: z.boolean().optional().describe('Forgotten passwords can be replaced by mail'),
  })
  .meta({ id: 'AuthConfig' });
export type AuthConfig = z.infer<typeof AuthConfig>;
