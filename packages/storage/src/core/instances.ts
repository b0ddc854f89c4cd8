import type { Pool, Uuid } from '@everruns/contract';
import type { Queryable, Statement } from '../database.ts';

/** What control-plane instances know of each other, and the one statement that runs when all is idle. */

const REGISTER: Statement = {
  name: 'register_instance',
  text: `insert into instances (id, versions, address) values ($1, $2::jsonb, $3)`,
};

const BEAT: Statement = {
  name: 'instance_beat',
  text: `with me as (update instances set beat = beat + 1, hint_no = $2 where id = $1 and lost_at is null returning id)
   select (select count(*)::int from me) as renewed,
     (select coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'beat', i.beat, 'hint_no', i.hint_no, 'versions', i.versions)), '[]') from instances i
       where i.id <> $1 and i.lost_at is null) as peers,
     exists (select 1 from timers where due_at <= engine_now()) as timers_due,
     exists (select 1 from leases where deadline < engine_now()) as leases_overdue,
     exists (select 1 from ready where start_by < engine_now()) as ready_overdue,
     exists (select 1 from leases l where not exists (select 1 from instances i where i.id = l.instance_id and i.lost_at is null)) as leases_orphaned,
     array(select distinct p.pool from (values ('reason'), ('tool')) p(pool) where exists (select 1 from ready r where r.pool = p.pool)) as ready_pools,
     array(select key from circuit_breakers where state <> 'closed') as breakers,
     (select extract(epoch from min(due_at) - engine_now()) * 1000 from timers where due_at < engine_now() + interval '2500 milliseconds') as next_timer_ms`,
};

const LOSE: Statement = {
  name: 'lose_instance',
  text: `update instances set lost_at = engine_now() where id = $1 and beat = $2 and lost_at is null returning id`,
};

const LOSE_OTHERS: Statement = {
  name: 'lose_other_instances',
  text: `update instances set lost_at = engine_now() where id <> $1 and lost_at is null returning id`,
};

const RETIRE: Statement = { name: 'retire_instance', text: `delete from instances where id = $1` };

const PRUNE: Statement = {
  name: 'prune_instances',
  text: `delete from instances i where lost_at < engine_now() - interval '1 hour' and not exists (select 1 from leases l where l.instance_id = i.id)`,
};

export interface PeerBeat {
  id: Uuid;
  beat: number;
  hint_no: number;
  versions: Record<string, number[]>;
}

export interface BeatResult {
  /** False: this instance was declared lost and must start again under a new id. */
  renewed: boolean;
  peers: PeerBeat[];
  timersDue: boolean;
  leasesOverdue: boolean;
  readyOverdue: boolean;
  leasesOrphaned: boolean;
  readyPools: Pool[];
  /** Keys of the circuit breakers that are not closed. */
  breakers: string[];
  /** Milliseconds until the next timer within the coming beat, or null. */
  nextTimerMs: number | null;
}

export async function registerInstance(
  db: Queryable,
  at: { id: Uuid; versions: Record<string, number[]>; address: string },
): Promise<void> {
  await db.run(REGISTER, [at.id, JSON.stringify(at.versions), at.address]);
}

/** Renews this instance, reads its peers' counters and what is due: one statement every 2 s. */
export async function beat(db: Queryable, at: { id: Uuid; hintNo: number }): Promise<BeatResult> {
  interface BeatRow extends Record<string, unknown> {
    renewed: number;
    peers: PeerBeat[];
    timers_due: boolean;
    leases_overdue: boolean;
    ready_overdue: boolean;
    leases_orphaned: boolean;
    ready_pools: Pool[];
    breakers: string[];
    next_timer_ms: string | number | null;
  }
  const [row] = await db.run<BeatRow>(BEAT, [at.id, at.hintNo]);
  if (row === undefined) throw new Error('The beat returned no row.');
  return {
    renewed: row.renewed > 0,
    peers: row.peers,
    timersDue: row.timers_due,
    leasesOverdue: row.leases_overdue,
    readyOverdue: row.ready_overdue,
    leasesOrphaned: row.leases_orphaned,
    readyPools: row.ready_pools,
    breakers: row.breakers,
    nextTimerMs: row.next_timer_ms === null ? null : Math.max(0, Number(row.next_timer_ms)),
  };
}

/** Declares a peer lost, if its counter is still the one that did not move. A committed fact: it can never renew again. */
export async function loseInstance(db: Queryable, peer: { id: Uuid; beat: number }): Promise<boolean> {
  return (await db.run(LOSE, [peer.id, peer.beat])).length > 0;
}

/** For the sole owner of a data directory: whoever else stands in the table cannot be alive. */
export async function loseOtherInstances(db: Queryable, id: Uuid): Promise<number> {
  return (await db.run(LOSE_OTHERS, [id])).length;
}

/** A clean exit leaves nothing to wait for. */
export async function retireInstance(db: Queryable, id: Uuid): Promise<void> {
  await db.run(RETIRE, [id]);
}

export async function pruneInstances(db: Queryable): Promise<void> {
  await db.run(PRUNE);
}
