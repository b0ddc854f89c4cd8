import type { CapabilityInfo, JsonObject } from '@everruns/agent/capability';
import { checkArguments } from '@everruns/agent/tools/check-arguments';

/** Why a configuration does not fit its schema, in words, or null. */
export function schemaRefusal(schema: JsonObject, config: JsonObject): string | null {
  const problems = checkArguments(schema, config);
  return problems.length === 0 ? null : `The configuration is not valid: ${problems.join('; ')}.`;
}

/** A whole number of the configuration within its bounds, or the default: what is stored may be older than the schema. */
export function wholeNumber(value: unknown, { min, max, otherwise }: { min: number; max: number; otherwise: number }): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : otherwise;
}

/** Why a value is not a whole number within bounds, or null; an absent one is fine. */
export function numberRefusal(key: string, value: unknown, { min, max }: { min: number; max: number }): string | null {
  if (value === undefined || (Number.isInteger(value) && Number(value) >= min && Number(value) <= max)) return null;
  return `The configuration is not valid: "${key}" must be a whole number from ${min} to ${max}.`;
}

/** The catalogue entry of a capability without tools, dependencies and features. */
export function infoOf(fields: Pick<CapabilityInfo, 'id' | 'name' | 'description' | 'category'> & Partial<CapabilityInfo>): CapabilityInfo {
  return { status: 'available', risk_level: 'low', tools: [], features: [], dependencies: [], ...fields };
}
