import { z } from 'zod';
import { CapabilityRef } from '../messages.ts';

/** A harness or agent to start from. */
export const Example = z
  .object({
    name: z.string(),
    display_name: z.string(),
    description: z.string(),
    parent_name: z.string().optional(),
    capabilities: z.array(CapabilityRef),
    tags: z.array(z.string()),
    dev_only: z.boolean(),
  })
  .meta({ id: 'Example' });
export type Example = z.infer<typeof Example>;
