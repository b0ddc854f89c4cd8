import type { Message, Session } from '@everruns/contract';
import { z } from 'zod';
import type { CallApi } from './api-calls.ts';
import { invalidInput } from './tool-errors.ts';
import { defineTool } from './tool.ts';
import type { RunKey, Tool, ToolContext } from './tool.ts';

const WRITE_MS = 15_000;
const READ_MS = 10_000;
const MAX_EVENTS = 100;
const DEFAULT_EVENTS = 20;
/** Of one event's data; longer ones are cut, because the answer is for a model to read. */
const MAX_EVENT_CHARS = 4_000;
const RECENT_MESSAGES = 20;

const SessionId = z.string().describe('session_ and 32 hex digits, from agent_run');
const Text = z.string().min(1).max(200_000);
const ClientMessageId = z
  .guid()
  .describe('Any UUID of your choice: the same call with the same id is done once, and answers the same again');
const Sent = z.object({
  session_id: z.string(),
  message_id: z.string(),
  status: z.string().describe('started, steered (the running turn reads it), resumed, or duplicate'),
  hint: z.string(),
});

/** Running agents and hearing from them. */
export function sessionTools(): Tool[] {
  return [agentRun(), sendMessage(), getStatus()];
}

function agentRun(): Tool {
  return defineTool({
    name: 'agent_run',
    title: 'Run an agent',
    description:
      'Starts a session with an agent, or with a bare harness, and sends it its first message. It returns at once: poll session_get_status for the answer.',
    changes: 'adds',
    timeoutMs: WRITE_MS,
    isScoped: true,
    input: z.object({
      message: Text.describe('What the agent should do'),
      agent_id: z.string().optional().describe('agent_ and 32 hex digits'),
      agent_name: z.string().optional().describe('Instead of agent_id'),
      harness_id: z.string().optional().describe('Without an agent: harness_ and 32 hex digits'),
      title: z.string().max(500).optional(),
      model_id: z.string().optional().describe('Instead of the model of the agent'),
      budget_limit: z.number().positive().optional().describe('The most that the session may cost; needs the permission to manage budgets'),
      budget_soft_limit: z.number().positive().optional().describe('Where the session pauses and asks'),
      budget_currency: z.string().optional().describe('Default usd'),
      client_message_id: ClientMessageId.optional(),
    }),
    output: Sent,
    async run(context, input) {
      if (input.agent_id === undefined && input.agent_name === undefined && input.harness_id === undefined) {
        throw invalidInput('Give agent_id, agent_name or harness_id.', 'Read the resource everruns://agents for what there is.');
      }
      const sessionId = await sessionOf(context, input);
      return post(context.callApi, { sessionId, message: input.message, clientMessageId: input.client_message_id });
    },
  });
}

interface NewRun {
  agent_id?: string | undefined;
  agent_name?: string | undefined;
  harness_id?: string | undefined;
  title?: string | undefined;
  model_id?: string | undefined;
  budget_limit?: number | undefined;
  budget_soft_limit?: number | undefined;
  budget_currency?: string | undefined;
  client_message_id?: string | undefined;
}

async function sessionOf(context: ToolContext, run: NewRun): Promise<string> {
  const { callApi, caller, organizationId, runs } = context;
  if (run.client_message_id === undefined || organizationId === undefined) return newSession(callApi, run);
  const key: RunKey = { userId: caller.userId, organizationId, clientMessageId: run.client_message_id };
  const known = await runs.find(key);
  if (known !== null) return known;
  const made = await newSession(callApi, run);
  const kept = await runs.keep(key, made);
  // Two calls at once: one session is enough.
  if (kept !== made) await callApi({ method: 'DELETE', path: `/v1/sessions/${made}` });
  return kept;
}

async function newSession(callApi: CallApi, run: NewRun): Promise<string> {
  const { agent_id, agent_name, harness_id, title, model_id, budget_limit: limit } = run;
  const body = { agent_id, agent_name, harness_id, title, model_id, source: 'api' };
  const { id } = (await callApi({ method: 'POST', path: '/v1/sessions', body })).json as Session;
  if (limit === undefined) return id;
  const budget = {
    subject_type: 'session',
    subject_id: id,
    limit,
    soft_limit: run.budget_soft_limit,
    currency: run.budget_currency ?? 'usd',
  };
  try {
    await callApi({ method: 'POST', path: '/v1/budgets', body: budget });
  } catch (error) {
    await callApi({ method: 'DELETE', path: `/v1/sessions/${id}` });
    throw error;
  }
  return id;
}

function sendMessage(): Tool {
  return defineTool({
    name: 'session_send_message',
    title: 'Send a message',
    description:
      'Sends a message to a session. A running turn reads it before it ends; otherwise a new turn starts. Poll session_get_status for the answer.',
    changes: 'adds',
    timeoutMs: WRITE_MS,
    isScoped: true,
    input: z.object({ session_id: SessionId, message: Text, client_message_id: ClientMessageId.optional() }),
    output: Sent,
    run: ({ callApi }, { session_id, message, client_message_id }) =>
      post(callApi, { sessionId: session_id, message, clientMessageId: client_message_id }),
  });
}

interface Post {
  sessionId: string;
  message: string;
  clientMessageId: string | undefined;
}

async function post(callApi: CallApi, { sessionId, message, clientMessageId }: Post): Promise<z.infer<typeof Sent>> {
  const body = { message: { content: [{ type: 'text', text: message }] }, client_message_id: clientMessageId };
  const { json } = await callApi({ method: 'POST', path: `/v1/sessions/${segment(sessionId)}/messages`, body });
  const { id, delivery } = json as Message;
  return {
    session_id: sessionId,
    message_id: id,
    status: delivery ?? 'started',
    hint: 'Poll session_get_status with this session_id until its status is idle.',
  };
}

const Event = z.object({
  id: z.string(),
  type: z.string(),
  ts: z.string(),
  sequence: z.number().optional(),
  data: z.unknown(),
  is_cut: z.boolean().optional().describe('The data was too long for this answer: query listEvents for it'),
});

function getStatus(): Tool {
  return defineTool({
    name: 'session_get_status',
    title: 'Get the status of a session',
    description:
      'What a session does now, the newest output of its agent, and its events: the newest ones, or those after since_event_id in their order.',
    changes: 'nothing',
    timeoutMs: READ_MS,
    isScoped: true,
    input: z.object({
      session_id: SessionId,
      since_event_id: z.string().optional().describe('last_event_id of the answer before: only later events are told'),
      event_types: z.array(z.string()).max(64).optional().describe('Only these, e.g. ["turn.completed", "output.message.completed"]'),
      limit: z.int().min(1).max(MAX_EVENTS).default(DEFAULT_EVENTS).describe('Events at most'),
    }),
    output: z.object({
      session_id: z.string(),
      status: z.string().describe('started, active, idle, waiting_for_tool_results or paused'),
      activity: z.string().describe('running, paused, failed, completed or idle'),
      title: z.string().optional(),
      latest_output: z.string().optional(),
      usage: z.unknown(),
      events: z.array(Event),
      last_event_id: z.string().optional().describe('Give it as since_event_id next time'),
      has_more: z.boolean().describe('There may be more events after last_event_id'),
      hint: z.string().optional(),
    }),
    async run({ callApi }, { session_id, since_event_id, event_types, limit }) {
      const path = `/v1/sessions/${segment(session_id)}`;
      const query = { since_id: since_event_id, types: event_types, limit };
      const [session, events, messages] = await Promise.all([
        callApi({ method: 'GET', path }),
        callApi({ method: 'GET', path: `${path}/events`, query }),
        callApi({ method: 'GET', path: `${path}/messages`, query: { limit: RECENT_MESSAGES } }),
      ]);
      const { status_detail: status, activity, title, usage } = session.json as Session;
      const found = (events.json as { data: z.infer<typeof Event>[] }).data;
      const output = latestOutput((messages.json as { data: Message[] }).data);
      const lastId = found.at(-1)?.id ?? since_event_id;
      const hint = HINTS[status];
      return {
        session_id,
        status,
        activity,
        usage,
        events: found.map(shortened),
        has_more: since_event_id !== undefined && found.length === limit,
        ...(title === undefined ? {} : { title }),
        ...(output === undefined ? {} : { latest_output: output }),
        ...(lastId === undefined ? {} : { last_event_id: lastId }),
        ...(hint === undefined ? {} : { hint }),
      };
    },
  });
}

const HINTS: Readonly<Record<string, string>> = {
  started: 'It works: ask again in a moment.',
  active: 'It works: ask again in a moment.',
  waiting_for_tool_results: 'It waits for an approval, an answer or a tool result: see listPending with the tool query.',
  paused: 'It is paused, mostly because a budget is spent: see checkSessionBudgets with the tool query.',
};

function shortened({ id, type, ts, sequence, data }: z.infer<typeof Event>): z.infer<typeof Event> {
  const text = JSON.stringify(data);
  const isCut = text.length > MAX_EVENT_CHARS;
  return {
    id,
    type,
    ts,
    ...(sequence !== undefined && { sequence }),
    data: isCut ? text.slice(0, MAX_EVENT_CHARS) : data,
    ...(isCut && { is_cut: true }),
  };
}

function latestOutput(messages: readonly Message[]): string | undefined {
  for (const { role, content } of messages.toReversed()) {
    if (role !== 'agent') continue;
    const text = content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
    if (text !== '') return text;
  }
  return undefined;
}

/** One segment of a path, whatever the client gave. */
function segment(id: string): string {
  if (!/^[a-z]+_[0-9a-f]{32}$/.test(id)) throw invalidInput('session_id: expected session_ and 32 hex digits.');
  return id;
}
