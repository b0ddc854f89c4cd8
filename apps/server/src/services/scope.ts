import type { Uuid } from '@everruns/contract';
import type { Scope } from '../turns/port.ts';

/** The caller of an operation. Every statement carries the organization as a condition: what belongs to another one is not there. */
export interface CallerScope extends Scope {
  userId: Uuid;
}
