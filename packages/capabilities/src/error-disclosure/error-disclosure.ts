import type { Capability } from '@everruns/agent/capability';
import type { ErrorDisclosure } from '@everruns/contract';
import { infoOf, schemaRefusal } from '../config.ts';

const MODES: readonly ErrorDisclosure[] = ['generic', 'standard', 'detailed'];

const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    mode: {
      type: 'string',
      enum: [...MODES],
      description:
        'generic: one text for every failure; standard (default): what kind of failure; detailed: what the provider said as well.',
    },
  },
};

/** Says how much of a failed model call people are told. A message may ask for less, never for more. */
export const errorDisclosure: Capability = {
  info: infoOf({
    id: 'error_disclosure',
    name: 'Error Disclosure',
    description: 'Decides how much people are told when a model call fails.',
    category: 'Safety',
    icon: 'eye',
    config_schema: CONFIG_SCHEMA,
  }),
  checkConfig: (config) => schemaRefusal(CONFIG_SCHEMA, config),
  resolve: ({ mode }) => ({
    tools: [],
    error_disclosure: MODES.includes(mode as ErrorDisclosure) ? (mode as ErrorDisclosure) : 'standard',
  }),
};
