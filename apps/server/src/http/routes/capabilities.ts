import { CapabilityView, pageLinks, PageQuery, paginated, SearchText, searchTokens } from '@everruns/contract';
import { z } from 'zod';
import type { CapabilityService } from '../../services/capabilities.ts';
import type { Api } from '../types.ts';

const tags = ['Capabilities'];

export interface CapabilityRoutesDeps {
  capabilities: CapabilityService;
  urlOf: (path: string) => string;
}

export function capabilityRoutes(app: Api, { capabilities, urlOf }: CapabilityRoutesDeps): void {
  app.get(
    '/v1/capabilities',
    {
      schema: {
        tags,
        operationId: 'listCapabilities',
        querystring: PageQuery.extend({ search: SearchText }),
        response: { 200: paginated(CapabilityView) },
      },
    },
    async (request) => {
      const { search, ...page } = request.query;
      const found = await capabilities.list(request.scope, { ...page, tokens: searchTokens(search) });
      return { data: found.rows, total: found.total, ...page, ...pageLinks(urlOf(request.url), page, found.total) };
    },
  );
  app.get(
    '/v1/capabilities/:id',
    {
      schema: { tags, operationId: 'getCapability', params: z.object({ id: z.string().max(256) }), response: { 200: CapabilityView } },
      config: { cache: 'entity' },
    },
    async (request) => capabilities.get(request.scope, request.params.id),
  );
}
