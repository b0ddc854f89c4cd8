import type { Uuid } from '@everruns/contract';
import type { Queryable, Statement } from '../database.ts';

/** The registry of workers: two writes in a worker's life, none in between. */

const ATTACH: Statement = {
  name: 'worker_attached',
  text: `insert into workers (id, boot_id, instance_id, attachment, worker_group, hostname, version, pools, attach_no, status)
   values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, 'running')
   on conflict (id) do update set boot_id = excluded.boot_id, instance_id = excluded.instance_id, attachment = excluded.attachment,
     worker_group = excluded.worker_group, hostname = excluded.hostname, version = excluded.version, pools = excluded.pools, attach_no = excluded.attach_no, status = 'running',
     started_at = case when workers.boot_id = excluded.boot_id then workers.started_at else clock_timestamp() end, last_seen_at = clock_timestamp()
     where workers.boot_id <> excluded.boot_id or workers.attach_no <= excluded.attach_no
   returning id`,
};
const DETACH: Statement = {
  name: 'worker_detached',
  text: `update workers set status = $3, last_seen_at = clock_timestamp() where id = $1 and attachment = $2`,
};
const LIST: Statement = {
  name: 'workers_list',
  text: `select w.id, w.boot_id, w.instance_id, w.worker_group, w.hostname, w.version, w.pools, w.started_at, w.last_seen_at, w.tasks_completed, w.tasks_failed,
     case when w.status <> 'stopped' and exists (select 1 from instances i where i.id = w.instance_id and i.lost_at is null) then w.status else 'stopped' end as status,
     (select count(*)::int from leases l where l.worker_id = w.id) as current_load
   from workers w where w.last_seen_at > clock_timestamp() - interval '1 day' or w.status <> 'stopped' order by w.started_at desc limit 1000`,
};
export interface WorkerAttachment {
  workerId: string;
  bootId: Uuid;
  instanceId: Uuid;
  attachment: Uuid;
  group: string | null;
  hostname: string;
  version: string;
  pools: Record<string, number>;
  /** Counts the attachments of this boot. */
  attachNo: number;
}

/** Registers a worker's stream; false when this life of the worker has attached anew since, here or elsewhere. */
export async function workerAttached(db: Queryable, at: WorkerAttachment): Promise<boolean> {
  const { workerId, bootId, instanceId, attachment, group, hostname, version, attachNo } = at;
  const values = [workerId, bootId, instanceId, attachment, group, hostname, version, JSON.stringify(at.pools), attachNo];
  return (await db.run(ATTACH, values)).length > 0;
}

const REGISTERED: Statement = { name: 'worker_registered', text: `select 1 from workers where id = $1 and attachment = $2` };

/** Is this stream the worker's last one? Otherwise whatever it found to be gone may have gone to the later one. */
export async function isRegistered(db: Queryable, at: { workerId: string; attachment: Uuid }): Promise<boolean> {
  return (await db.run(REGISTERED, [at.workerId, at.attachment])).length > 0;
}

export async function workerDetached(
  db: Queryable,
  at: { workerId: string; attachment: Uuid; status: 'draining' | 'stopped' },
): Promise<void> {
  await db.run(DETACH, [at.workerId, at.attachment, at.status]);
}

export interface WorkerRow extends Record<string, unknown> {
  id: string;
  boot_id: Uuid;
  instance_id: Uuid;
  worker_group: string | null;
  hostname: string | null;
  version: string | null;
  pools: Record<string, number>;
  status: 'running' | 'draining' | 'stopped';
  current_load: number;
  tasks_completed: number;
  tasks_failed: number;
  started_at: Date;
  last_seen_at: Date;
}

export function listWorkers(db: Queryable): Promise<WorkerRow[]> {
  return db.run<WorkerRow>(LIST);
}
