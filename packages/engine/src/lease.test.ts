import { describe, expect, it } from 'vitest';
import { decideLoss, SEAL_AFTER_LOSSES } from './lease.ts';
import type { LossCause, LossVerdict, LostLease } from './lease.ts';
import type { CallEffect } from './plan.ts';

const requeue = (losses: number, delayMs = 0): LossVerdict => ({ action: 'requeue', losses, delayMs });
const unknown: LossVerdict = { action: 'settle_unknown' };
const seal: LossVerdict = { action: 'seal' };

interface Row {
  cause: LossCause;
  task: 'reason' | CallEffect;
  losses: number;
  progress: boolean;
  verdict: LossVerdict;
}

const TABLE: Row[] = [
  // A worker process that is gone counts, unless the step moved on meanwhile; the first time the task goes back at once.
  { cause: 'worker_lost', task: 'reason', losses: 0, progress: false, verdict: requeue(1) },
  { cause: 'worker_lost', task: 'reason', losses: 1, progress: false, verdict: requeue(2, 1_000) },
  { cause: 'worker_lost', task: 'reason', losses: 2, progress: false, verdict: seal },
  { cause: 'worker_lost', task: 'reason', losses: 2, progress: true, verdict: requeue(1) },
  { cause: 'worker_lost', task: 'readonly', losses: 0, progress: false, verdict: requeue(1) },
  { cause: 'worker_lost', task: 'readonly', losses: 2, progress: false, verdict: seal },
  { cause: 'worker_lost', task: 'idempotent', losses: 1, progress: false, verdict: requeue(2, 1_000) },
  { cause: 'worker_lost', task: 'idempotent', losses: 2, progress: true, verdict: requeue(1) },
  { cause: 'worker_lost', task: 'unsafe', losses: 0, progress: false, verdict: unknown },
  { cause: 'worker_lost', task: 'unsafe', losses: 2, progress: true, verdict: unknown },
  // A lost instance says nothing about the worker: nothing is counted.
  { cause: 'instance_lost', task: 'reason', losses: 2, progress: false, verdict: requeue(2) },
  { cause: 'instance_lost', task: 'readonly', losses: 0, progress: false, verdict: requeue(0) },
  { cause: 'instance_lost', task: 'idempotent', losses: 1, progress: true, verdict: requeue(1) },
  { cause: 'instance_lost', task: 'unsafe', losses: 0, progress: false, verdict: unknown },
  // Given back unstarted: as if it had never been claimed, an unsafe call too.
  { cause: 'unstarted', task: 'reason', losses: 2, progress: false, verdict: requeue(2) },
  { cause: 'unstarted', task: 'readonly', losses: 1, progress: true, verdict: requeue(1) },
  { cause: 'unstarted', task: 'idempotent', losses: 0, progress: false, verdict: requeue(0) },
  { cause: 'unstarted', task: 'unsafe', losses: 0, progress: false, verdict: requeue(0) },
];

function leaseOf(row: Row): LostLease {
  const effect = row.task === 'reason' ? null : row.task;
  return { pool: row.task === 'reason' ? 'reason' : 'tool', effect, losses: row.losses, progress: row.progress };
}

describe('decideLoss', () => {
  it.each(TABLE)('$cause of $task after $losses losses, progress $progress', (row) => {
    expect(decideLoss(leaseOf(row), row.cause, 0.5)).toEqual(row.verdict);
  });

  it('has a row for every cause and kind of task', () => {
    const pairs = new Set(TABLE.map((row) => `${row.cause} ${row.task}`));
    expect(pairs.size).toBe(3 * 4);
  });

  it('never runs an unsafe call again whose outcome is unknown', () => {
    for (const cause of ['worker_lost', 'instance_lost'] as const) {
      for (const losses of [0, 1, 2, 7]) {
        for (const progress of [true, false]) {
          expect(decideLoss({ pool: 'tool', effect: 'unsafe', losses, progress }, cause, 0.5)).toEqual(unknown);
        }
      }
    }
  });

  it('seals a step that is lost without progress again and again, and never one that moves', () => {
    let lease: LostLease = { pool: 'reason', effect: null, losses: 0, progress: false };
    const verdicts = Array.from({ length: SEAL_AFTER_LOSSES }, () => {
      const verdict = decideLoss(lease, 'worker_lost', 0.5);
      if (verdict.action === 'requeue') lease = { ...lease, losses: verdict.losses };
      return verdict.action;
    });
    expect(verdicts).toEqual(['requeue', 'requeue', 'seal']);
    for (let i = 0; i < 10; i++) expect(decideLoss({ ...lease, progress: true }, 'worker_lost', 0.5)).toEqual(requeue(1));
  });
});
