import { z } from 'zod';
import { CapabilityRef } from '../messages.ts';
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
  StringMap,
  Tags,
  Timestamp,
} from './common.ts';

const shared = {
  display_name: ShortText.nullish(),
  description: LongText.nullish(),
  system_prompt: LongText.nullish(),
  default_model_id: idParam('model').nullish(),
  parent_harness_id: idParam('harness').nullish(),
  capabilities: z.array(CapabilityRef).optional(),
  initial_files: z.array(InitialFile).optional(),
  tags: Tags.optional(),
  mcpServers: ScopedMcpServers.nullish(),
  network_access: NetworkAccessList.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  embedder_metadata: StringMap.nullish(),
};

export const CreateHarness = z.object({ name: Slug, ...shared }).meta({ id: 'CreateHarness' });
export type CreateHarness = z.infer<typeof CreateHarness>;

export const UpdateHarness = z
  .object({ name: Slug.optional(), ...shared, status: z.enum(['active', 'archived']).optional() })
  .meta({ id: 'UpdateHarness' });
export type UpdateHarness = z.infer<typeof UpdateHarness>;

export const Harness = z
  .object({
    id: publicId('harness'),
    name: z.string(),
    status: z.enum(BUILDING_BLOCK_STATES),
    created_at: Timestamp,
    updated_at: Timestamp,
    is_built_in: z.boolean(),
    system_prompt: z.string().optional(),
    display_name: z.string().optional(),
    description: z.string().optional(),
    default_model_id: publicId('model').optional(),
    parent_harness_id: publicId('harness').optional(),
    capabilities: z.array(CapabilityRef),
    initial_files: z.array(InitialFile),
    tags: z.array(z.string()),
    mcpServers: ScopedMcpServers.optional(),
    network_access: NetworkAccessList.optional(),
    parallel_tool_calls: z.boolean().optional(),
    embedder_metadata: StringMap.optional(),
    archived_at: Timestamp.optional(),
    deleted_at: Timestamp.optional(),
    session_count: z.int().optional(),
    agent_count: z.int().optional(),
    ...Links,
  })
  .meta({ id: 'Harness' });
export type Harness = z.infer<typeof Harness>;
