import type { Agent } from '@everruns/contract';
import { exportDocument, importDocument } from './documents.ts';
import type { DocumentFormat } from './documents.ts';

/** What of an agent travels in a document. Ids of other things stay behind except the model's and, where the agent has its own, the harness's. */
const EXPORTED = [
  'id',
  'name',
  'display_name',
  'description',
  'tags',
  'default_model_id',
  'capabilities',
  'tools',
  'initial_files',
  'mcpServers',
  'network_access',
  'max_iterations',
  'parallel_tool_calls',
] as const;

export function exportAgent(agent: Agent, format: DocumentFormat = 'markdown'): string {
  return exportDocument(agent, agent.harness_is_explicit ? [...EXPORTED, 'harness_id'] : EXPORTED, format);
}

/** The body of a CreateAgent request that a document stands for; it still has to be validated. Throws `invalid_request`. */
export function importAgent(text: string): Record<string, unknown> {
  return importDocument(text, (fields) => typeof fields['system_prompt'] === 'string');
}
