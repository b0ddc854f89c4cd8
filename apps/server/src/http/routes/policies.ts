import { PolicyMap } from '@everruns/contract';
import type { Api } from '../types.ts';
import { policiesOf } from './params.ts';

/** What the caller may do with resources whose own routes do not say so. */
export function policyRoutes(app: Api): void {
  const response = { 200: PolicyMap };
  app.get(
    '/v1/memories/config',
    { schema: { tags: ['Memories'], operationId: 'getMemoryPolicies', response }, config: { policy: 'org:memories:view' } },
    async ({ scope }) => policiesOf(scope, 'memory'),
  );
  app.get(
    '/v1/knowledge-bases/config',
    { schema: { tags: ['Knowledge'], operationId: 'getKnowledgePolicies', response }, config: { policy: 'org:knowledge:view' } },
    async ({ scope }) => policiesOf(scope, 'knowledge_base'),
  );
  app.get(
    '/v1/capabilities/config',
    { schema: { tags: ['Capabilities'], operationId: 'getCapabilityPolicies', response }, config: { policy: 'org:capabilities:view' } },
    // Those of high risk ask for more than the others.
    async ({ scope }) => ({
      policies: {
        ...policiesOf(scope, 'capability').policies,
        'capability.assign_high_risk': scope.permissions.has('org:settings:manage'),
      },
    }),
  );
  app.get(
    '/v1/budgets/config',
    { schema: { tags: ['Budgets'], operationId: 'getBudgetPolicies', response }, config: { policy: 'org:budgets:view' } },
    async ({ scope }) => policiesOf(scope, 'budget'),
  );
  app.get(
    '/v1/durable/config',
    { schema: { tags: ['Durable'], operationId: 'getDurablePolicies', response }, config: { policy: 'user' } },
    async ({ caller: { isPlatformUser } }) => ({ policies: { 'durable.view': isPlatformUser, 'durable.manage': isPlatformUser } }),
  );
}
