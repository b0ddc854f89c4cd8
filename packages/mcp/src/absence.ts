import type { GoneMcpServer, InStepEvent } from '@everruns/contract';
import type { McpServerTools } from './discovery.ts';

/** What is said of servers that a configuration names and that are not at its service. */

const TROUBLE: Record<NonNullable<McpServerTools['trouble']>, string> = {
  disabled: 'is switched off',
  unreachable: 'cannot be reached at the moment',
  out_of_reach: 'is not among the hosts that this session may reach',
};

/** What the model is told in the place of tools; undefined when nothing is wrong. */
export function noticeOf({ name, trouble }: McpServerTools): string | undefined {
  if (trouble === undefined) return undefined;
  return `The MCP server "${name}" ${TROUBLE[trouble]}, so its tools are not there. When you need them for what you are asked, say so.`;
}

/** The same for whoever watches the session; none when nothing is wrong. */
export function absenceEvents(servers: readonly McpServerTools[]): InStepEvent[] {
  const records = servers.flatMap(({ ref, name, trouble }) =>
    trouble === undefined
      ? []
      : [
          {
            capability_id: ref,
            capability_name: name,
            capability_kind: 'mcp',
            usage_kind: 'configured',
            usage_count: 0,
            reason_code: `mcp.${trouble}`,
            detail: `The MCP server "${name}" ${TROUBLE[trouble]}: this turn goes on without its tools.`,
          },
        ],
  );
  return records.length === 0 ? [] : [{ type: 'capability.usage', data: { records } }];
}

/** Why no step can be made, in words for people; undefined when nothing is gone. */
export function goneText(gone: readonly GoneMcpServer[]): string | undefined {
  if (gone.length === 0) return undefined;
  const each = gone.map(({ ref, name, status }) => (name === null ? `${ref} is not there` : `"${name}" was ${status}`));
  return `This session needs an MCP server that is gone: ${each.join(', ')}. Restore it, or take it out of the configuration.`;
}
