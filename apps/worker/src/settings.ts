/** How one worker introduces itself, and how much it takes on. */
export interface WorkerSettings {
  workerId: string;
  workerGroup: string;
  hostname: string;
  version: string;
  /** Tool calls at a time. */
  maxTasks: number;
  /** Model calls at a time. */
  maxModelWaits: number;
  /** Milliseconds that running steps may take to end when the worker is stopped. */
  drainTimeoutMs: number;
  /** Milliseconds within which the first attachment must succeed. */
  connectTimeoutMs: number;
}
