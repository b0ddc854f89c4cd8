import { z } from 'zod';
import { Controls, ExternalActor, InputContentPart, Message } from '../messages.ts';
import { JsonObject, Tags } from './common.ts';
import { QueryFlag } from './lists.ts';

export const MAX_WAIT_MS = 600_000;
export const DEFAULT_WAIT_MS = 120_000;

/** An image must come from somewhere that a model can be sent: an http(s) address, or its bytes with their type. */
const PostedPart = InputContentPart.refine(
  (part) =>
    part.type !== 'image' || (part.url === undefined ? part.base64 !== undefined && part.media_type !== undefined : isHttp(part.url)),
  'An image needs an http or https url, or base64 together with media_type.',
);

export const CreateMessage = z
  .object({
    message: z.object({ role: z.literal('user').default('user'), content: z.array(PostedPart).min(1).max(1_000) }),
    controls: Controls.optional(),
    metadata: JsonObject.optional(),
    tags: Tags.optional(),
    external_actor: ExternalActor.optional(),
    addressed_participant_id: z
      .string()
      .regex(/^part_[0-9a-f]{32}$/)
      .optional(),
    client_message_id: z.guid().toLowerCase().optional(),
  })
  .meta({ id: 'CreateMessage' });
export type CreateMessage = z.infer<typeof CreateMessage>;

export const CreateMessageQuery = z.object({
  wait: QueryFlag,
  timeout_ms: z.coerce.number().int().min(1).max(MAX_WAIT_MS).default(DEFAULT_WAIT_MS),
});

export const MessagesQuery = z.object({
  limit: z.coerce.number().int().min(1).max(10_000).optional(),
  before_sequence: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
  after_sequence: z.coerce.number().int().min(0).max(2_147_483_647).optional(),
});
export type MessagesQuery = z.infer<typeof MessagesQuery>;

/** Answer of a message post with `wait=true`. 202 with status `running` when the time is up first. */
export const WaitedMessage = z
  .object({
    status: z.enum(['completed', 'failed', 'running']),
    message: Message,
    messages: z.array(Message),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  })
  .meta({ id: 'WaitedMessage' });
export type WaitedMessage = z.infer<typeof WaitedMessage>;

export const SubmitToolResults = z
  .object({
    tool_results: z
      .array(z.object({ tool_call_id: z.string().min(1).max(512), result: z.unknown().optional(), error: z.string().nullish() }))
      .min(1)
      .max(1_000),
  })
  .meta({ id: 'SubmitToolResults' });
export type SubmitToolResults = z.infer<typeof SubmitToolResults>;

export const ToolResultsAccepted = z.object({ accepted: z.int(), status: z.string() }).meta({ id: 'ToolResultsAccepted' });

function isHttp(text: string): boolean {
  return /^https?:\/\/[^\s/]/i.test(text) && URL.canParse(text);
}
