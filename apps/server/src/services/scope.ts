import type { Permission, Uuid } from '@everruns/contract';
import type { Scope } from '../turns/port.ts';

/** The caller of an operation. Every statement carries the organization as a condition: what belongs to another one is not there. */
export interface CallerScope extends Scope {
  userId: Uuid;
  /** What the caller may do in this organization. Whether an operation may be called at all has been decided before. */
  permissions: ReadonlySet<Permission>;
}
