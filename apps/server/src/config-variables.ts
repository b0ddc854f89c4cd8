import { z } from 'zod';
import type { ZodType } from 'zod';

/** Kinds of environment variables. */

export const flag = z
  .enum(['true', 'false', '1', '0'])
  .transform((text) => text === 'true' || text === '1')
  .optional();
export const count = z
  .string()
  .regex(/^\d{1,9}$/, 'expected a whole number')
  .transform(Number)
  .optional();
export const positive = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, 'expected a whole number above 0')
  .transform(Number)
  .optional();
export const text = z.string().optional();
export const publicUrl = z
  .string()
  .regex(/^https?:\/\/[^\s?#]+$/, 'expected an http or https URL without query')
  .transform((url) => url.replace(/\/+$/, ''))
  .optional();

/** `fallback` is what the documentation says about an unset variable. */
export function variable<T extends ZodType>(schema: T, fallback: string, description: string): T {
  return schema.meta({ description, fallback }) as T;
}
