import { guardrailExamples } from '@everruns/capabilities/guardrails/examples';
import { DryRunGuardrails, GuardrailDryRun, GuardrailExamples } from '@everruns/contract';
import { dryRunGuardrails } from '../../services/guardrails.ts';
import type { Api } from '../types.ts';

const tags = ['Capabilities'];
const path = '/v1/capabilities/guardrails';

/** Before rules are given to an agent: some to begin with, and what they would do about a text. */
export function guardrailRoutes(app: Api): void {
  app.get(
    `${path}/examples`,
    { schema: { tags, operationId: 'listGuardrailExamples', response: { 200: GuardrailExamples } } },
    async () => ({
      examples: guardrailExamples(),
    }),
  );
  app.post(
    `${path}/dry-run`,
    {
      schema: { tags, operationId: 'dryRunGuardrails', body: DryRunGuardrails, response: { 200: GuardrailDryRun } },
      config: { policy: 'org:agents:view' },
    },
    async (request) => dryRunGuardrails(request.body),
  );
}
