import type { AdmitToolCall } from '../limits/work-limits.ts';
import type { CatalogueInput, IdSource, ResolvedModel, Uuid } from '@everruns/contract';
import type { DecideContext, Plan } from '@everruns/engine';
import type { Applied, ClaimedTask, Database, DroppedLease, TurnConfig } from '@everruns/storage';
import type { ReadHead } from '../services/skills/skill-heads.ts';
import type { SessionOps } from '../session-ops/scope.ts';
import type { CommitFeed, ReadyHints } from '../stream/port.ts';
import type { Attachment } from './attachment.ts';
import type { Breakers } from './breakers.ts';
import type { Dispatcher } from './dispatcher.ts';
import { repeatUntilKnown } from './repeat.ts';
import type { Tallies } from './tallies.ts';

/** The narrow part of a logger that the control plane needs; pino fits. */
export interface Log {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

export interface EngineSettings {
  /** How long client-side calls may stay unanswered. */
  clientDeadlineMs: number;
  /** Most leases of one organization at a time. */
  orgCap: number;
  /** Grace for a broken worker stream to come back before its leases are released. */
  releaseAfterMs: number;
  /** A worker that says nothing for this long is treated as broken. */
  silentAfterMs: number;
  /** How far back the audit log goes. */
  auditDays: number;
}

export const ENGINE_DEFAULTS: EngineSettings = {
  clientDeadlineMs: 86_400_000,
  orgCap: 1_000,
  releaseAfterMs: 300,
  silentAfterMs: 4_000,
  auditDays: 90,
};

export type OpenProvider = (sealed: unknown, at: { orgId: Uuid; workflowId: Uuid }) => Promise<CatalogueInput['provider']>;

/** What every part of the engine's server side works with. */
export interface EngineContext {
  db: Database;
  ids: IdSource;
  /** Wall clock for texts and durations; comparisons use the database's clock. */
  nowMs(): number;
  random(): number;
  settings: EngineSettings;
  log: Log;
  feed: CommitFeed;
  hints: ReadyHints;
  dispatcher: Dispatcher;
  breakers: Breakers;
  tallies: Tallies;
  instanceId(): Uuid;
  /** Is no other instance alive? */
  alone(): boolean;
  /** Does this instance know turns of this version? */
  decides(version: number): boolean;
  /** The version that new turns start with: the highest that all live instances know (core.md R10). */
  newTurnVersion(): number;
  /** What the model is told about a call that is not made, because its organization makes too many; absent: there is no limit. */
  admitToolCall?: AdmitToolCall;
  /** Brings a task that was leased to this worker's seat to it. */
  assign(attachment: Attachment, task: ClaimedTask): void;
  /** A reply was lost: leases may stand in our name that nobody knows of. Looks for them once things have settled. */
  reconcile(): void;
  /** Fires what is due about tasks of sessions; the next beat would find it too. */
  fireSoon(): void;
  /** Something is there to be sent to those who are told of tasks over HTTP. */
  sendWebhooks(): void;
  resolveModel(config: TurnConfig): Promise<ResolvedModel>;
  /** What a SKILL.md of a workspace begins with. */
  readSkillHead: ReadHead;
  /** A provider with its key, as it was sealed for the queue. */
  openProvider: OpenProvider;
  /** What running steps may ask for. */
  ops: SessionOps;
  /** Aborted when the process shuts down. */
  signal: AbortSignal;
}

export function decideContext(ctx: EngineContext): DecideContext {
  return { nowMs: ctx.nowMs(), ids: ctx.ids, clientDeadlineMs: ctx.settings.clientDeadlineMs };
}

/** Tells the streams, the claims and the holders of dropped leases what a commit did. */
export function announce(ctx: EngineContext, sessionId: Uuid, applied: Applied, pools: ReadonlySet<'reason' | 'tool'>): void {
  ctx.feed.committed(sessionId, applied.events);
  for (const lease of applied.dropped) cancelLease(ctx, lease);
  const elsewhere = applied.dropped.filter((lease) => lease.instanceId !== ctx.instanceId());
  if (elsewhere.length > 0) ctx.hints.announceCancelled(elsewhere.map((lease) => lease.token));
  if (pools.size > 0) wake(ctx, [...pools]);
}

/** Somebody waits to be told what this plan has done: at once, not by the next beat. */
export function hasten(ctx: EngineContext, plan: Pick<Plan, 'timers'>): void {
  if (plan.timers.some(({ kind }) => kind === 'task_report')) ctx.fireSoon();
}

export function wake(ctx: EngineContext, pools: readonly ('reason' | 'tool')[]): void {
  ctx.dispatcher.poke(pools);
  ctx.hints.announce(pools);
}

/** Aborts the work of a lease that is gone, if its worker is attached here; false when it is not. */
export function cancelLease(ctx: EngineContext, lease: Pick<DroppedLease, 'token'>, reason = 'cancelled'): boolean {
  for (const attachment of ctx.dispatcher.attachments.values()) {
    const record = attachment.remove(lease.token);
    if (record === null) continue;
    attachment.send({ $case: 'cancel', value: { token: lease.token, reason } });
    ctx.dispatcher.seatFreed(record.pool);
    return true;
  }
  return false;
}

/** The lease is gone: its holder hears of it, wherever it is attached. */
export function revoke(ctx: EngineContext, lease: Pick<DroppedLease, 'token' | 'instanceId'>, reason: string): void {
  if (cancelLease(ctx, lease, reason) || lease.instanceId === ctx.instanceId()) return;
  ctx.hints.announceCancelled([lease.token]);
}

/**
 * Repeats a write until its outcome is known. When a reply was lost, the repetition only says that it is written: what it left in the session's
 * log and queue has to be looked up, since nobody was told.
 */
export async function repeat<T>(ctx: EngineContext, write: (attempt: number) => Promise<T>, sessionId?: Uuid): Promise<T> {
  let attempts = 0;
  const result = await repeatUntilKnown(
    (attempt) => {
      attempts = attempt;
      return write(attempt);
    },
    { signal: ctx.signal },
  );
  if (attempts > 0 && sessionId !== undefined) {
    ctx.feed.uncertain(sessionId);
    ctx.dispatcher.poke();
  }
  return result;
}
