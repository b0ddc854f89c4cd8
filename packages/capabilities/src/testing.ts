import { createCapabilityRegistry, type Capability, type OutboundAccess } from '@everruns/agent/capability';
import { sessionAccess, type CallSession } from '@everruns/agent/session-access';
import { executeTool } from '@everruns/agent/tools/execute-tool';

export interface RunToolOptions {
  at?: Date;
  config?: unknown;
  /** Answers what the tool asks of its session; without it, nothing is there to ask. */
  session?: CallSession;
  /** How other servers are reached; without it, none is. */
  outbound?: OutboundAccess;
}

/** Runs a tool as a worker does, arguments checked; throws the error that the model would be told. */
export async function runTool(capability: Capability, tool: string, args: unknown, options: RunToolOptions = {}): Promise<unknown> {
  const { at = new Date(), config, session = noSession, outbound = noNetwork } = options;
  const context = { session_id: 's', org_id: 'o', turn_id: 't', tool_call_id: 'c', idempotency_key: 'k', attempt: 1 };
  const execution = await executeTool(
    createCapabilityRegistry([capability]),
    { capability: { ref: capability.info.id, config }, tool, arguments: JSON.parse(JSON.stringify(args)) as unknown, context },
    { signal: new AbortController().signal, now: () => at, progress: () => undefined, session: sessionAccess(session), outbound },
  );
  if (execution.status === 'error') throw new Error(execution.fault ?? execution.error);
  return JSON.parse(execution.json) as unknown;
}

const noSession: CallSession = (op) => Promise.reject(new Error(`nobody answers ${op} here`));

const noNetwork: OutboundAccess = { fetch: (url) => Promise.reject(new Error(`nobody fetches ${String(url)} here`)) };
