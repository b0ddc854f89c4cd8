import type { CurrentUser, Organization } from '@everruns/contract';
import { z } from 'zod';
import { defineTool } from './tool.ts';
import type { Tool } from './tool.ts';

const TIMEOUT_MS = 5_000;
const Membership = z.object({ organization_id: z.string(), name: z.string(), role: z.string() });

/** Who the client acts for. */
export function accountTools(): Tool[] {
  return [
    defineTool({
      name: 'me',
      title: 'Who am I',
      description: 'The user that this connection acts for, and the organization that tools work in unless they are told another one.',
      changes: 'nothing',
      timeoutMs: TIMEOUT_MS,
      isScoped: true,
      input: z.object({}),
      output: z.object({
        id: z.string(),
        email: z.string(),
        name: z.string(),
        organizations: z.array(Membership),
        organization_id: z.string().optional().describe('Where tools work by default'),
        roles: z.array(z.string()).describe('In that organization'),
      }),
      async run({ callApi, organizationId }) {
        const { json } = await callApi({ method: 'GET', path: '/v1/auth/me' });
        const { id, email, name, roles, organizations } = json as CurrentUser;
        return {
          id,
          email,
          name,
          roles,
          organizations: membershipsOf(organizations),
          ...(organizationId === undefined ? {} : { organization_id: organizationId }),
        };
      },
    }),
    defineTool({
      name: 'list_organizations',
      title: 'List organizations',
      description: 'The organizations that this connection can work in, with your role in each. Other tools take one as organization_id.',
      changes: 'nothing',
      timeoutMs: TIMEOUT_MS,
      isScoped: false,
      input: z.object({}),
      output: z.object({ organizations: z.array(Membership) }),
      async run({ callApi }) {
        const [me, reachable] = await Promise.all([
          callApi({ method: 'GET', path: '/v1/auth/me' }),
          callApi({ method: 'GET', path: '/v1/orgs' }),
        ]);
        const ids = new Set((reachable.json as { data: Organization[] }).data.map(({ id }) => id));
        return {
          organizations: membershipsOf((me.json as CurrentUser).organizations).filter(({ organization_id }) => ids.has(organization_id)),
        };
      },
    }),
  ];
}

function membershipsOf(organizations: CurrentUser['organizations']): z.infer<typeof Membership>[] {
  return (organizations ?? []).map(({ public_id, name, role }) => ({ organization_id: public_id, name, role }));
}
