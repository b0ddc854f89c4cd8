/** What is lost, and when, relative to one commit or one outbound call. */

export type Phase = 'before' | 'mid' | 'after' | 'lost';

/**
 * `worker`, `server`: SIGKILL of that process; of servers, the one that commits, or that the calling worker is connected to. `client-server`: the
 * one that the client is connected to, where there are several. `postgres`: the postmaster and all its back-ends; `postmaster`: it alone; `backend`: the one that
 * runs the commit. `outage`, `long-outage`: all of PostgreSQL, and it stays away for longer than an instance goes on without it, or a peer is
 * waited for. `connection`: the one that carries the commit or call is cut. `link`: the connection between worker and server is cut.
 */
export type Victim =
  | 'worker'
  | 'server'
  | 'client-server'
  | 'postgres'
  | 'postmaster'
  | 'backend'
  | 'outage'
  | 'long-outage'
  | 'connection'
  | 'link';

/** How long PostgreSQL stays away: an instance that has not renewed for 3 s sends its workers elsewhere, a silent one is lost after 6 s. */
export const OUTAGE_MS = { outage: 4_000, 'long-outage': 8_000 } as const;

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
  'client-server': ['after'],
  postgres: ['before', 'after', 'lost'],
  backend: ['before', 'after', 'lost'],
  connection: ['before', 'lost'],
  link: ['before', 'lost'],
};

const CALL: Partial<Record<Victim, readonly Phase[]>> = {
  worker: ['before', 'mid', 'after', 'lost'],
  server: ['before', 'mid', 'after', 'lost'],
  'client-server': ['mid', 'after'],
  postgres: ['before', 'mid', 'after', 'lost'],
  postmaster: ['mid'],
  connection: ['before', 'mid', 'lost'],
  link: ['mid'],
};

/**
 * Outages take long, so they come where most is at stake: while tools run, and when what a tool did is committed but not yet known. Nobody who
 * holds a lease dies in them.
 */
export function outagesAt(points: readonly Point[]): Shot[] {
  return points.flatMap((point): Shot[] => {
    if (point.kind === 'commit') return point.label === 'complete_step' ? [{ point, phase: 'lost', victim: 'outage' }] : [];
    if (!point.label.startsWith('effect ')) return [];
    const short: Shot = { point, phase: 'after', victim: 'outage' };
    return point.label === 'effect unsafe' ? [short, { ...short, victim: 'long-outage' }] : [short];
  });
}

/** Every way in which each point can go wrong. Only the answer of a model comes in pieces and has a middle. */
export function shotsAt(points: readonly Point[]): Shot[] {
  return points.flatMap((point) => {
    const ways = Object.entries(point.kind === 'commit' ? COMMIT : CALL) as [Victim, readonly Phase[]][];
    const shots = ways.flatMap(([victim, phases]) => phases.map((phase) => ({ point, phase, victim })));
    return point.label === 'model' || point.kind === 'commit' ? shots : shots.filter((shot) => shot.phase !== 'mid');
  });
}
