import type { Harness } from '@everruns/contract';
import { exportDocument, importDocument } from './documents.ts';
import type { DocumentFormat } from './documents.ts';

/** What of a harness travels in a document. It is addressed by its name, so its id stays behind. */
const EXPORTED = [
  'name',
  'display_name',
  'description',
  'tags',
  'parent_harness_id',
  'default_model_id',
  'capabilities',
  'initial_files',
  'mcpServers',
  'network_access',
  'parallel_tool_calls',
  'embedder_metadata',
] as const;

export function exportHarness(harness: Harness, format: DocumentFormat): string {
  return exportDocument(harness, EXPORTED, format);
}

/** The body of a CreateHarness request that a document stands for; it still has to be validated. Throws `invalid_request`. */
export function importHarness(text: string): Record<string, unknown> {
  return importDocument(text, (fields) => typeof fields['name'] === 'string' || typeof fields['system_prompt'] === 'string');
}
