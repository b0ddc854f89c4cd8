import { z } from 'zod';
import { CapabilityRef, ToolDefinition } from '../messages.ts';
import {
  Finding,
  idParam,
  InitialFile,
  JsonObject,
  LongText,
  NetworkAccessList,
  publicId,
  ScopedMcpServers,
  Slug,
  StringMap,
} from './common.ts';

const shared = {
  system_prompt: LongText.nullish(),
  capabilities: z.array(CapabilityRef).optional(),
  mcpServers: ScopedMcpServers.nullish(),
  initial_files: z.array(InitialFile).optional(),
  network_access: NetworkAccessList.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  default_model_id: idParam('model').nullish(),
};

/** An agent that is not stored, on a harness that is; without one, on the organization's default. */
export const PreviewAgent = z.object({
  ...shared,
  tools: z.array(ToolDefinition).optional(),
  max_iterations: z.int().min(0).max(1_000_000).nullish(),
  harness_id: idParam('harness').nullish(),
  harness_name: Slug.nullish(),
});
export type PreviewAgent = z.infer<typeof PreviewAgent>;

export const PreviewHarness = z.object({
  ...shared,
  parent_harness_id: idParam('harness').nullish(),
  embedder_metadata: StringMap.nullish(),
});
export type PreviewHarness = z.infer<typeof PreviewHarness>;

/** The tier that a part comes from; without an id for what is not stored. */
const Layer = z.object({ tier: z.enum(['harness', 'agent', 'session']), id: z.string().optional(), name: z.string().optional() });
export type PreviewLayer = z.infer<typeof Layer>;

/** Which tier gave what. Lists of layers run from the base up. */
export const Provenance = z.object({
  layers: z.array(Layer),
  prompt: z
    .array(z.object({ layer: Layer, capability: z.string().optional(), text: z.string() }))
    .describe('The system prompt, top to bottom'),
  capabilities: z.array(
    z.object({
      ref: z.string(),
      config: z.unknown().optional(),
      layer: Layer,
      required_by: z.string().optional().describe('The capability that needs it, or initial_files'),
      overrides: z.array(Layer).describe('Layers whose own entry was replaced'),
    }),
  ),
  inert_capabilities: z
    .array(z.object({ ref: z.string(), layer: Layer }))
    .describe('Named, but not contributing: not there yet, or not any more'),
  tools: z.array(z.object({ name: z.string(), layer: Layer, capability: z.string().optional() })),
  model: z
    .object({
      level: z.enum(['message', 'session', 'agent', 'harness', 'organization', 'fallback']),
      id: publicId('model').optional(),
      model: z.string(),
      provider_type: z.string(),
    })
    .optional(),
  limits: z.object({
    max_iterations: z.object({ value: z.int(), layer: Layer.optional() }),
    parallel_tool_calls: z.object({ value: z.boolean(), layer: Layer }).optional(),
    network_access: z.object({ value: NetworkAccessList, layers: z.array(Layer) }).optional(),
  }),
  mcp_servers: z.array(z.object({ name: z.string(), layer: Layer })),
  initial_files: z.array(z.object({ path: z.string(), layer: Layer })),
  embedder_metadata: StringMap,
});
export type Provenance = z.infer<typeof Provenance>;

export const Preview = z
  .object({ system_prompt: z.string(), tools: z.array(JsonObject), provenance: Provenance, findings: z.array(Finding).optional() })
  .meta({ id: 'Preview' });
export type Preview = z.infer<typeof Preview>;
