import { z } from 'zod';
import type { AuthMode } from '../../config-auth.ts';
import type { Api } from '../types.ts';

/** What the liveness answer says about this process. */
export interface HealthFacts {
  version: string;
  authMode: AuthMode;
  grade: string;
  /** How turns are run: by worker processes, or inside this one. */
  runnerMode: 'workers' | 'in_process';
}

const Health = z.object({
  status: z.literal('ok'),
  version: z.string(),
  auth_mode: z.string(),
  grade: z.string(),
  runner_mode: z.string(),
});

/** Liveness: it answers while the process can answer at all, whatever the database does. */
export function healthRoute(app: Api, facts: HealthFacts): void {
  app.get(
    '/health',
    { schema: { tags: ['Health'], operationId: 'getHealth', response: { 200: Health }, servers: [{ url: '/' }] }, config: { open: true } },
    async () => ({
      status: 'ok' as const,
      version: facts.version,
      auth_mode: facts.authMode,
      grade: facts.grade,
      runner_mode: facts.runnerMode,
    }),
  );
}
