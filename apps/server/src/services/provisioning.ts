import { createHash } from 'node:crypto';
import { dashed, DEFAULT_ORG_ID } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { listOrganizationIds, provisionOrganization } from '@everruns/storage';
import type { BuiltInHarness, Database, ProvisionInput, SeedAgent } from '@everruns/storage';
import type { Grade } from './model-resolution.ts';
import type { AgentExample } from './seeds/agents.ts';
import { BASE_HARNESS, BUILT_IN_HARNESSES, GENERIC_HARNESS } from './seeds/harnesses.ts';
import { SEEDED_PROVIDERS, SIMULATED_PROVIDER } from './seeds/models.ts';
import type { SeededProvider } from './seeds/models.ts';

/** Ids that the default organization has had from the start; in every other one a seeded row's id follows from organization and name. */
const FIXED_IDS: Readonly<Record<string, Uuid>> = {
  'provider/openai': '01933b5a-0000-7000-8000-000000000001',
  'provider/anthropic': '01933b5a-0000-7000-8000-000000000002',
  'provider/google': '01933b5a-0000-7000-8000-000000000003',
  'provider/llmsim': '01933b5a-0000-7000-8000-000000000004',
  [`harness/${BASE_HARNESS}`]: '01933b5a-0000-7000-8000-000000000601',
  [`harness/${GENERIC_HARNESS}`]: '01933b5a-0000-7000-8000-000000000602',
};

/** The same id on every instance and at every start, so that seeding twice is seeding once. */
export function seedId(orgId: Uuid, key: string): Uuid {
  const fixed = orgId === DEFAULT_ORG_ID ? FIXED_IDS[key] : undefined;
  if (fixed !== undefined) return fixed;
  const bytes = createHash('sha256').update(`${orgId}/${key}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return dashed(bytes.toString('hex'));
}

/** What one organization gets: example agents only the default one. Simulated models exist in grade dev only. */
export function provisionPlan(orgId: Uuid, grade: Grade, examples: readonly AgentExample[] = []): ProvisionInput {
  const providers: readonly SeededProvider[] = grade === 'dev' ? [...SEEDED_PROVIDERS, SIMULATED_PROVIDER] : SEEDED_PROVIDERS;
  return {
    orgId,
    baseHarness: BASE_HARNESS,
    defaultHarness: GENERIC_HARNESS,
    harnesses: BUILT_IN_HARNESSES.map((harness) => builtIn(orgId, harness)),
    agents: orgId === DEFAULT_ORG_ID ? examples.map((example) => seedAgent(orgId, example)) : [],
    providers: providers.map(({ key, name, type }) => ({ id: seedId(orgId, `provider/${key}`), name, provider_type: type })),
    models: providers.flatMap(({ key, models }) =>
      models.map((model) => ({
        id: seedId(orgId, `model/${key}/${model.name}`),
        provider_id: seedId(orgId, `provider/${key}`),
        model_id: model.name,
        display_name: model.displayName,
        capabilities: model.capabilities,
      })),
    ),
  };
}

function builtIn(orgId: Uuid, harness: (typeof BUILT_IN_HARNESSES)[number]): BuiltInHarness {
  return {
    id: seedId(orgId, `harness/${harness.name}`),
    name: harness.name,
    display_name: harness.displayName,
    description: harness.description,
    system_prompt: harness.systemPrompt,
    capabilities: harness.capabilities,
    tags: harness.tags,
    parent: harness.parent,
  };
}

function seedAgent(orgId: Uuid, example: AgentExample): SeedAgent {
  return {
    id: seedId(orgId, `agent/${example.name}`),
    name: example.name,
    display_name: example.displayName,
    description: example.description,
    system_prompt: example.systemPrompt,
    capabilities: example.capabilities,
    tags: example.tags,
    mcp_servers: example.mcpServers ?? null,
  };
}

/** Organizations that are looked at at once: a start with thousands of them takes half the time, and leaves connections for others. */
const AT_ONCE = 8;

/** Run at every start, before the first request. `examples` are the agents that an installation starts with. */
export async function provisionAll(db: Database, grade: Grade, examples: readonly AgentExample[] = []): Promise<void> {
  const orgIds = await listOrganizationIds(db);
  for (let from = 0; from < orgIds.length; from += AT_ONCE) {
    await Promise.all(
      orgIds
        .slice(from, from + AT_ONCE)
        .map((orgId) => db.transaction((tx) => provisionOrganization(tx, provisionPlan(orgId, grade, examples)))),
    );
  }
}
