import type { StepLog } from '@everruns/agent/step';

/** The narrow part of a logger that a worker needs; pino fits. */
export interface WorkerLog extends StepLog {
  info(fields: Record<string, unknown>, message: string): void;
}
