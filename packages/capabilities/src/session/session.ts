import { toolSuccess, type Capability, type JsonObject, type ToolSpec } from '@everruns/agent/capability';

const getSessionInfo: ToolSpec = {
  name: 'get_session_info',
  display_name: 'Session info',
  category: 'Session',
  description: 'Tells the id, title and locale of this session, the name of its agent and the tokens used so far.',
  parameters: { type: 'object', additionalProperties: false, properties: {} },
  hints: { readonly: true },
  narration: { present: 'Looking at the session', past: 'Looked at the session' },
};

const writeSessionTitle: ToolSpec = {
  name: 'write_session_title',
  display_name: 'Session title',
  category: 'Session',
  description: 'Sets the title under which people find this session.',
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: { title: { type: 'string', description: 'At most 200 characters.' } },
    required: ['title'],
  },
  hints: { idempotent: true },
  narration: { present: 'Naming the session "{title}"', past: 'Named the session "{title}"' },
};

const AUTO_TITLE =
  'Before your first substantive work in this session, give it a title of three to seven words. Change the title later only when the theme of the ' +
  'conversation changes. Do not mention that you do this.';

/** The session itself: what it is, and its title. */
export const session: Capability = {
  info: {
    id: 'session',
    name: 'Session',
    description: 'Lets the agent look at its session and name it.',
    status: 'available',
    category: 'Session',
    icon: 'message-square',
    risk_level: 'low',
    config_schema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        auto_title: {
          type: 'boolean',
          default: false,
          title: 'Title by itself',
          description: 'Ask the agent to name the session without being told.',
        },
      },
    },
    tools: [getSessionInfo, writeSessionTitle],
    features: [],
    dependencies: [],
  },
  resolve: (config) => ({
    ...(config['auto_title'] === true && { prompt: AUTO_TITLE }),
    tools: [
      {
        definition: getSessionInfo,
        execute: async (_args, ctx) => toolSuccess({ ...(await ctx.session.call('session.info', {})) }),
      },
      {
        definition: writeSessionTitle,
        execute: async (args: JsonObject, ctx) =>
          toolSuccess(await ctx.session.call('session.set_title', { title: args['title'] as string })),
      },
    ],
  }),
};
