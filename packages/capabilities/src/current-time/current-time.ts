import { toolError, toolSuccess, type Capability, type ToolResult, type ToolSpec } from '@everruns/agent/capability';
import type { StoredMessage } from '@everruns/contract';
import { formatTime, isTimeZone, TIME_FORMATS, type TimeFormat } from './format-time.ts';

const getCurrentTime: ToolSpec = {
  name: 'get_current_time',
  display_name: 'Get current time',
  category: 'Core',
  description: 'Returns the current date and time.',
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      timezone: { type: 'string', description: 'IANA time zone such as "Europe/Berlin", or an offset such as "+02:00". Default: UTC.' },
      format: {
        type: 'string',
        enum: [...TIME_FORMATS],
        description: 'iso8601 (default) with the offset of the time zone, unix for seconds since 1970, human for a sentence-like form.',
      },
    },
  },
  hints: { readonly: true },
  narration: { present: 'Checking the time in {timezone|UTC}', past: 'Checked the time in {timezone|UTC}' },
};

/** Tells the time. */
export const currentTime: Capability = {
  info: {
    id: 'current_time',
    name: 'Current Time',
    description: 'Tells the agent the time of each message, and lets it look up the current time in any time zone.',
    status: 'available',
    category: 'Core',
    icon: 'clock',
    risk_level: 'low',
    tools: [getCurrentTime],
    features: [],
    dependencies: [],
  },
  resolve: () => ({
    tools: [{ definition: getCurrentTime, execute: (args, ctx) => currentTimeResult(args, ctx.now()) }],
    facts: [{ key: 'current_time', valueAt: timeOfMessage }],
  }),
};

/** In the time zone that the message names, else UTC. */
function timeOfMessage(at: Date, { metadata }: StoredMessage): string {
  const named = metadata?.timezone;
  const timezone = typeof named === 'string' && isTimeZone(named) ? named : 'UTC';
  const { datetime } = formatTime(at, timezone, 'iso8601') as { datetime: string };
  return timezone === 'UTC' ? datetime : `${datetime} (${timezone})`;
}

function currentTimeResult(args: { timezone?: unknown; format?: unknown }, now: Date): ToolResult {
  const timezone = typeof args.timezone === 'string' && args.timezone.trim() !== '' ? args.timezone.trim() : 'UTC';
  const format = (args.format ?? 'iso8601') as TimeFormat;
  if (!isTimeZone(timezone)) return toolError(`"${timezone}" is not a time zone. Use an IANA name such as "Europe/Berlin", or UTC.`);
  return toolSuccess({ ...formatTime(now, timezone, format), format, timezone });
}
