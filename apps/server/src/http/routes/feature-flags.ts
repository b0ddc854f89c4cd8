import { FeatureFlags, FeatureFlagSettings, PlatformError, UpdateFeatureFlags } from '@everruns/contract';
import type { Api } from '../types.ts';
import { idPath } from './params.ts';

const tags = ['Organizations'];
const params = idPath('organization');
const path = '/v1/orgs/:id/feature-flags';

/**
 * Switches of organizations (contract 2.3). This version has none, what it switches is the grade of the deployment (decision 0027): whoever
 * asks hears of no flag, and one that is named is not known.
 */
export function featureFlagRoutes(app: Api): void {
  app.get(
    '/v1/feature-flags',
    { schema: { tags, operationId: 'listFeatureFlags', response: { 200: FeatureFlags } }, config: { policy: 'user' } },
    async () => ({}),
  );
  app.get(
    path,
    {
      schema: { tags, operationId: 'getOrganizationFeatureFlags', params, response: { 200: FeatureFlags } },
      config: { organization: 'path', policy: 'org:settings:view' },
    },
    async () => ({}),
  );
  app.get(
    `${path}/settings`,
    {
      schema: { tags, operationId: 'getFeatureFlagSettings', params, response: { 200: FeatureFlagSettings } },
      config: { organization: 'path', policy: 'org:settings:view' },
    },
    async () => ({ flags: [] }),
  );
  app.patch(
    path,
    {
      schema: { tags, operationId: 'updateOrganizationFeatureFlags', params, body: UpdateFeatureFlags, response: { 200: FeatureFlags } },
      config: { organization: 'path', policy: 'org:settings:manage' },
    },
    async ({ body }) => {
      const [unknown] = Object.keys(body.flags);
      if (unknown !== undefined)
        throw new PlatformError('invalid_request', `There is no flag "${unknown}".`, { field: `flags.${unknown}` });
      return {};
    },
  );
}
