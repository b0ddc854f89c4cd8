import type { AllowedAction } from '@everruns/contract';

export interface LinkBase {
  /** Scheme, host and port under which people and clients reach this installation, without a trailing slash. */
  publicUrl: () => string;
  /** Path prefix of the REST API, e.g. `/api`, or empty. */
  apiPrefix: string;
}

export interface LinkFields {
  self_url: string;
  view_url: string;
  ui_link: string;
  allowed_actions?: AllowedAction[];
}

export interface LinkTarget {
  /** Path below `/v1`, without leading slash: `agents/agent_...` */
  path: string;
  /** Path in the browser UI, when it differs. */
  viewPath?: string;
  actions: readonly ActionSpec[];
}

export interface ActionSpec {
  rel: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  operation: string;
  /** Appended to the entity's path. */
  suffix?: string;
}

export type Linker = (target: LinkTarget) => LinkFields;

/** Makes the link fields of an entity (contract 1.6). */
export function createLinker(base: LinkBase): Linker {
  return ({ path, viewPath, actions }) => {
    const root = base.publicUrl();
    const self = `${root}${base.apiPrefix}/v1/${path}`;
    const view = `${root}/${viewPath ?? path}`;
    const allowed = actions.map(({ rel, method, operation, suffix }): AllowedAction => ({
      rel,
      href: `${self}${suffix ?? ''}`,
      method,
      operation_id: operation,
    }));
    return { self_url: self, view_url: view, ui_link: view, ...(allowed.length === 0 ? {} : { allowed_actions: allowed }) };
  };
}
