/** What is lost, and when, relative to one commit or one outbound call. */

export type Phase = 'before' | 'mid' | 'after' | 'lost';

/**
 * `worker`, `server`: SIGKILL of that process. `postgres`: the postmaster and all its back-ends; `postmaster`: it alone; `backend`: the one that
 * runs the commit. `connection`: the one that carries the commit or call is cut. `link`: the connection between worker and server is cut.
 */
export type Victim = 'worker' | 'server' | 'postgres' | 'postmaster' | 'backend' | 'connection' | 'link';

export interface Point {
  kind: 'commit' | 'call';
  /** The statements that the commit makes durable, or what the call is. */
  label: string;
  /** Counted from 1 among the points of this kind and label: parallel things do not always come in the same order. */
  n: number;
}

export interface Shot {
  point: Point;
  phase: Phase;
  victim: Victim;
}

const COMMIT: Partial<Record<Victim, readonly Phase[]>> = {
  worker: ['before', 'after', 'lost'],
  server: ['before', 'after', 'lost'],
  postgres: ['before', 'after', 'lost'],
  backend: ['before', 'after', 'lost'],
  connection: ['before', 'lost'],
  link: ['before', 'lost'],
};

const CALL: Partial<Record<Victim, readonly Phase[]>> = {
  worker: ['before', 'mid', 'after', 'lost'],
  server: ['before', 'mid', 'after', 'lost'],
  postgres: ['before', 'mid', 'after', 'lost'],
  postmaster: ['mid'],
  connection: ['before', 'mid', 'lost'],
  link: ['mid'],
};

/** Every way in which each point can go wrong. Only the answer of a model comes in pieces and has a middle. */
export function shotsAt(points: readonly Point[]): Shot[] {
  return points.flatMap((point) => {
    const ways = Object.entries(point.kind === 'commit' ? COMMIT : CALL) as [Victim, readonly Phase[]][];
    const shots = ways.flatMap(([victim, phases]) => phases.map((phase) => ({ point, phase, victim })));
    return point.label === 'model' || point.kind === 'commit' ? shots : shots.filter((shot) => shot.phase !== 'mid');
  });
}
