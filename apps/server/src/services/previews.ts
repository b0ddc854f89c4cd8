import { assembleRuntimeAgent } from '@everruns/agent';
import type { CapabilityRegistry } from '@everruns/agent';
import { PlatformError, toPublicId } from '@everruns/contract';
import type { ConfigLayer, Finding, Preview, PreviewAgent, PreviewHarness, Uuid } from '@everruns/contract';
import { findHarness, harnessAncestors } from '@everruns/storage';
import type { Database, HarnessRow } from '@everruns/storage';
import { checkCapabilities, checkTools } from './capabilities.ts';
import type { CallerScope } from './scope.ts';

export interface PreviewService {
  agent(scope: CallerScope, request: PreviewAgent): Promise<Preview>;
  harness(scope: CallerScope, request: PreviewHarness): Promise<Preview>;
}

/** What a configuration would become, composed by the code that a turn uses, without anything being stored. */
export function createPreviewService({ db, capabilities }: { db: Database; capabilities: CapabilityRegistry }): PreviewService {
  const compose = async (scope: CallerScope, layers: ConfigLayer[]): Promise<Preview> => {
    const assembly = await assembleRuntimeAgent({
      layers,
      capabilities,
      context: { session_id: '', org_id: toPublicId('organization', scope.orgId) },
    });
    if ('problem' in assembly) throw new PlatformError('invalid_request', assembly.problem.text);
    return { system_prompt: assembly.agent.systemPrompt, tools: assembly.agent.tools.map(({ spec }) => ({ ...spec })) };
  };
  return {
    async agent(scope, request) {
      checkCapabilities(request.capabilities, capabilities);
      checkTools(request.tools);
      const own: ConfigLayer = {
        tier: 'agent',
        id: toPublicId('agent', '00000000-0000-0000-0000-000000000000'),
        system_prompt: request.system_prompt ?? '',
        capabilities: request.capabilities ?? [],
        tools: request.tools ?? [],
      };
      const preview = await compose(scope, [own]);
      return { ...preview, findings: findingsOf(request) };
    },
    async harness(scope, request) {
      checkCapabilities(request.capabilities, capabilities);
      const parents = request.parent_harness_id == null ? [] : await parentLayers(db, scope.orgId, request.parent_harness_id);
      const own: ConfigLayer = {
        tier: 'harness',
        id: toPublicId('harness', '00000000-0000-0000-0000-000000000000'),
        system_prompt: request.system_prompt ?? '',
        capabilities: request.capabilities ?? [],
      };
      return compose(scope, [...parents, own]);
    },
  };
}

async function parentLayers(db: Database, orgId: Uuid, parentId: Uuid): Promise<ConfigLayer[]> {
  const chain = await harnessAncestors(db, orgId, parentId);
  if (chain.length === 0) throw new PlatformError('not_found', 'There is no such parent harness.', { field: 'parent_harness_id' });
  const rows = await Promise.all(chain.map(({ id }) => findHarness(db, orgId, id)));
  return rows
    .filter((row): row is HarnessRow => row !== null)
    .reverse()
    .map((row) => ({
      tier: 'harness',
      id: toPublicId('harness', row.id),
      system_prompt: row.system_prompt ?? '',
      capabilities: row.capabilities,
    }));
}

const LONG_PROMPT_CHARS = 20_000;

/** Rules that need no model: what is plainly missing or likely to cost. */
export function findingsOf(request: PreviewAgent): Finding[] {
  const prompt = (request.system_prompt ?? '').trim();
  const findings: Finding[] = [];
  const add = (finding: Omit<Finding, 'source' | 'location'>, field: string): void => {
    findings.push({ ...finding, source: 'builtin', location: { field } });
  };
  if (prompt === '') {
    add(
      {
        rule_id: 'prompt-empty',
        category: 'completeness',
        severity: 'warning',
        message: 'The system prompt is empty.',
        fix: 'Say what the agent is for.',
      },
      'system_prompt',
    );
  } else if (prompt.length > LONG_PROMPT_CHARS) {
    add(
      {
        rule_id: 'prompt-long',
        category: 'cost',
        severity: 'info',
        message: `The system prompt has ${prompt.length} characters and is sent with every model call.`,
      },
      'system_prompt',
    );
  }
  (request.tools ?? []).forEach((tool, index) => {
    if (tool.description.trim() !== '') return;
    add(
      {
        rule_id: 'tool-description-empty',
        category: 'effectiveness',
        severity: 'warning',
        message: `The tool "${tool.name}" has no description.`,
      },
      `tools.${index}.description`,
    );
  });
  return findings;
}
