import { createCapabilityRegistry, type Capability } from '@everruns/agent/capability';
import { executeTool } from '@everruns/agent/tools/execute-tool';

/** Runs a tool as a worker does, arguments checked; throws the error that the model would be told. */
export async function runTool(capability: Capability, tool: string, args: unknown, at = new Date()): Promise<unknown> {
  const context = { session_id: 's', org_id: 'o', turn_id: 't', tool_call_id: 'c', idempotency_key: 'k', attempt: 1 };
  const execution = await executeTool(
    createCapabilityRegistry([capability]),
    { capability: { ref: capability.info.id }, tool, arguments: JSON.parse(JSON.stringify(args)) as unknown, context },
    { signal: new AbortController().signal, now: () => at, progress: () => undefined },
  );
  if (execution.status === 'error') throw new Error(execution.fault ?? execution.error);
  return JSON.parse(execution.json) as unknown;
}
