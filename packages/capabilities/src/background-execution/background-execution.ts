import {
  toolError,
  toolSuccess,
  type Capability,
  type JsonObject,
  type ToolContext,
  type ToolResult,
  type ToolSpec,
} from '@everruns/agent/capability';
import { MAX_MONITOR_RUNS } from '@everruns/contract/session-ops/schedules';
import { plain, taskView } from '../session-tasks/task-result.ts';

/** Of one monitor, in all. */
const DEFAULT_MONITOR_RUNS = 100;

const spawnBackground: ToolSpec = {
  name: 'spawn_background',
  display_name: 'Run in background',
  category: 'Execution',
  description:
    'Runs a call of another tool in the background: you get a run id at once and go on, and are told when it has ended. Only for tools that support it, such as long shell scripts. ' +
    'With a schedule, you are asked to make the call at that time instead; as a monitor it is made without asking you, and you are told when its result is not what it was the time before.',
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      tool: { type: 'string', minLength: 1, maxLength: 200, description: 'Name of the tool to run.' },
      args: { type: 'object', description: 'Its arguments, as you would give them to the tool itself.' },
      title: { type: 'string', minLength: 1, maxLength: 200, description: 'What the run is called. Default: the name of the tool.' },
      signal_on_completion: { type: 'boolean', description: 'Are you to be told when it has ended? Default: true.' },
      schedule: {
        type: 'object',
        additionalProperties: false,
        properties: {
          scheduled_at: { type: 'string', description: 'RFC 3339 with offset, such as 2026-01-31T09:00:00Z.' },
          cron_expression: { type: 'string', description: 'Five fields: minute, hour, day of month, month, day of week.' },
          timezone: { type: 'string', description: 'IANA name, for the expression. Default: UTC.' },
          monitor: { type: 'boolean', description: 'Is this very call to be made at those times, without asking you? Default: false.' },
          max_runs: {
            type: 'integer',
            minimum: 1,
            maximum: MAX_MONITOR_RUNS,
            description: `How often a monitor makes the call in all. Default: ${DEFAULT_MONITOR_RUNS}.`,
          },
        },
        description: 'When, or how often; exactly one of the two times.',
      },
    },
    required: ['tool', 'args'],
  },
  // Made once per call, whatever the tool does.
  hints: { idempotent: true, long_running: true },
  delegates: { tool: 'tool', arguments: 'args' },
  narration: { present: 'Starting {tool} in the background', past: 'Started {tool} in the background' },
};

/** Tool calls beside the conversation. They survive what their worker does not, end once, and are told of once. */
export const backgroundExecution: Capability = {
  info: {
    id: 'background_execution',
    name: 'Background Execution',
    description: 'Runs long tool calls beside the conversation.',
    status: 'available',
    category: 'Execution',
    icon: 'hourglass',
    risk_level: 'low',
    tools: [spawnBackground],
    features: [],
    dependencies: [],
    comes_with: 'supports_background',
  },
  resolve: () => ({ tools: [{ definition: spawnBackground, execute: spawn }] }),
};

async function spawn(args: JsonObject, ctx: ToolContext): Promise<ToolResult> {
  const { tool, args: given, title, signal_on_completion: signal, schedule } = args;
  if (schedule !== undefined) return scheduleRun(args, ctx);
  const request = { title: (title ?? tool) as string, signal_on_completion: signal !== false };
  const answer = await ctx.session.call('tasks.run', request);
  if (answer.parked) return toolError('The call was put off.');
  const view = taskView(answer.task);
  const runId = view['task_id'] as string;
  const result_path = `/workspace/.background/${runId}/result.json`;
  return toolSuccess({
    run_id: runId,
    ...view,
    tool: tool as string,
    args: given as JsonObject,
    result_path,
    artifacts: [{ type: 'file', name: 'result.json', path: result_path }],
  });
}

interface RunTimes {
  scheduled_at?: string;
  cron_expression?: string;
  timezone?: string;
  monitor?: boolean;
  max_runs?: number;
}

/** Whoever is asked then makes the call anew, with whatever is allowed by then. A monitor makes the call that was allowed now. */
async function scheduleRun(
  { tool, args, title, schedule, signal_on_completion: signal }: JsonObject,
  ctx: ToolContext,
): Promise<ToolResult> {
  const name = title === undefined ? '' : ` (${title as string})`;
  const { monitor: isMonitor = false, max_runs = DEFAULT_MONITOR_RUNS, ...times } = schedule as RunTimes;
  const message = `Run the tool ${tool as string} in the background with spawn_background${name}. Its arguments: ${JSON.stringify(args)}`;
  if (!isMonitor) return toolSuccess({ schedule: plain(await ctx.session.call('schedules.create', { message, ...times })) });
  const monitor = { title: (title ?? tool) as string, signal: signal !== false, max_runs };
  const made = plain(await ctx.session.call('schedules.create', { message, ...times, monitor }));
  const result_path = `/workspace/.background/${made['id'] as string}/result.json`;
  return toolSuccess({ schedule: made, monitor: { tool: tool as string, args: args as JsonObject, max_runs, result_path } });
}
