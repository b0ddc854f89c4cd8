import { z } from 'zod';
import { CapabilityRef, TokenUsage, ToolDefinition } from '../messages.ts';
import {
  BUILDING_BLOCK_STATES,
  idParam,
  InitialFile,
  Links,
  LongText,
  NetworkAccessList,
  publicId,
  ScopedMcpServers,
  ShortText,
  Slug,
  Tags,
  Timestamp,
} from './common.ts';

const shared = {
  display_name: ShortText.nullish(),
  description: LongText.nullish(),
  default_model_id: idParam('model').nullish(),
  model: z.string().min(1).max(256).nullish().describe('Alias of default_model_id: an id, or the name of the model at its provider'),
  harness_id: idParam('harness').nullish(),
  harness_name: Slug.nullish(),
  capabilities: z.array(CapabilityRef).optional(),
  initial_files: z.array(InitialFile).optional(),
  tools: z.array(ToolDefinition).optional(),
  tags: Tags.optional(),
  mcpServers: ScopedMcpServers.nullish(),
  network_access: NetworkAccessList.nullish(),
  max_iterations: z.int().min(0).max(1_000_000).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
};

export const CreateAgent = z
  .object({ id: idParam('agent').optional(), name: Slug, system_prompt: LongText, ...shared })
  .meta({ id: 'CreateAgent' });
export type CreateAgent = z.infer<typeof CreateAgent>;

/** `PUT /v1/agents/{id_or_name}`: the path may give the id or the name. */
export const PutAgent = CreateAgent.extend({ name: Slug.optional() }).meta({ id: 'PutAgent' });
export type PutAgent = z.infer<typeof PutAgent>;

export const UpdateAgent = z
  .object({ name: Slug.optional(), system_prompt: LongText.optional(), ...shared, status: z.enum(['active', 'archived']).optional() })
  .meta({ id: 'UpdateAgent' });
export type UpdateAgent = z.infer<typeof UpdateAgent>;

export const Agent = z
  .object({
    id: publicId('agent'),
    name: z.string(),
    system_prompt: z.string(),
    harness_id: publicId('harness').describe('The harness in effect: its own, or the default of the organization'),
    harness_is_explicit: z.boolean(),
    status: z.enum(BUILDING_BLOCK_STATES),
    created_at: Timestamp,
    updated_at: Timestamp,
    display_name: z.string().optional(),
    description: z.string().optional(),
    default_model_id: publicId('model').optional(),
    capabilities: z.array(CapabilityRef),
    tools: z.array(ToolDefinition),
    initial_files: z.array(InitialFile),
    tags: z.array(z.string()),
    mcpServers: ScopedMcpServers.optional(),
    network_access: NetworkAccessList.optional(),
    max_iterations: z.int().optional(),
    parallel_tool_calls: z.boolean().optional(),
    usage: TokenUsage.optional(),
    session_count: z.int().optional(),
    app_count: z.int().optional(),
    archived_at: Timestamp.optional(),
    deleted_at: Timestamp.optional(),
    ...Links,
  })
  .meta({ id: 'Agent' });
export type Agent = z.infer<typeof Agent>;
