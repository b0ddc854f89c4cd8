import { z } from 'zod';
import { JsonObject, Links } from './common.ts';

export const CAPABILITY_STATES = ['available', 'coming_soon', 'deprecated', 'retired'] as const;

const info = {
  id: z.string(),
  name: z.string(),
  description: z.string(),
  status: z.enum(CAPABILITY_STATES),
  category: z.string().optional(),
  icon: z.string().optional(),
  docs_slug: z.string().optional(),
  system_prompt: z.string().optional(),
  tool_definitions: z.array(JsonObject).optional(),
  dependencies: z.array(z.string()).optional(),
  features: z.array(z.string()).optional(),
  config_schema: JsonObject.optional(),
  config_ui_schema: JsonObject.optional(),
  risk_level: z.enum(['low', 'medium', 'high']).optional(),
  is_mcp: z.boolean().optional(),
  is_skill: z.boolean().optional(),
  is_guardrail: z.boolean().optional(),
};

/** What the registry of capabilities tells about one (contract 2.10). */
export const CapabilityInfo = z.object(info);
export type CapabilityInfo = z.infer<typeof CapabilityInfo>;

export const CapabilityView = z
  .object({
    ...info,
    agent_count: z.int().describe('Active agents that name it'),
    harness_count: z.int().describe('Active harnesses that name it'),
    ...Links,
  })
  .meta({ id: 'Capability' });
export type CapabilityView = z.infer<typeof CapabilityView>;
