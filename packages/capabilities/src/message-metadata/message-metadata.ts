import type { Capability } from '@everruns/agent/capability';
import type { StoredMessage } from '@everruns/contract';
import { infoOf, schemaRefusal } from '../config.ts';

const FIELDS = ['timestamp'] as const;

const PROMPT =
  "Each user message begins with the time it was sent, in brackets. The user did not write it; don't repeat it and don't begin your answers that way.";

const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    fields: {
      type: 'array',
      items: { type: 'string', enum: [...FIELDS] },
      description: 'What the model is told of each user message. Default: the timestamp.',
    },
  },
};

/** Tells the model when each user message was sent. */
export const messageMetadata: Capability = {
  info: infoOf({
    id: 'message_metadata',
    name: 'Message Metadata',
    description: 'Tells the model when each message was sent.',
    category: 'Core',
    icon: 'clock',
    config_schema: CONFIG_SCHEMA,
    system_prompt: PROMPT,
  }),
  checkConfig: (config) => schemaRefusal(CONFIG_SCHEMA, config),
  resolve: ({ fields }) => {
    const wanted = Array.isArray(fields) ? fields : FIELDS;
    if (!wanted.includes('timestamp')) return { tools: [] };
    return { prompt: PROMPT, tools: [], hooks: { viewMessages: (messages) => messages.map(withTimestamp) } };
  },
};

/** The time as stored, so that every later prompt says the same. */
function withTimestamp(message: StoredMessage): StoredMessage {
  if (message.role !== 'user') return message;
  const at = new Date(message.created_at);
  if (Number.isNaN(at.getTime())) return message;
  const stamp = `[${at.toISOString().replace(/\.\d+Z$/, 'Z')}]`;
  const first = message.content.findIndex((part) => part.type === 'text');
  if (first === -1) return { ...message, content: [{ type: 'text', text: stamp }, ...message.content] };
  const content = message.content.map((part, index) =>
    index === first && part.type === 'text' ? { ...part, text: `${stamp} ${part.text}` } : part,
  );
  return { ...message, content };
}
