import type { IdSource, ResolvedModel } from '@everruns/contract';
import type { Database, TurnConfig, Vault } from '@everruns/storage';
import type { AdmitSchedule } from '../limits/work-limits.ts';
import { createDatabaseService } from '../services/databases.ts';
import { createFileService } from '../services/files.ts';
import { createKnowledgeService } from '../services/knowledge.ts';
import { createMcpConnections } from '../services/mcp-connections.ts';
import { createMountedFiles } from '../services/mounted-files.ts';
import { createMounts } from '../services/mounts.ts';
import { createScheduleService } from '../services/schedules.ts';
import type { ScheduleLimits } from '../services/schedules.ts';
import type { SessionConfigs } from '../services/session-configs.ts';
import { createSessionStorage } from '../services/session-storage.ts';
import { createSessionSkills } from '../services/skills/session-skills.ts';
import type { CommitFeed } from '../stream/port.ts';
import { approvalOps } from './approvals.ts';
import { budgetOps } from './budgets.ts';
import { containerOps } from './containers.ts';
import { databaseOps } from './databases.ts';
import { fileBatchOps } from './file-batch.ts';
import { fileOps } from './files.ts';
import { historyOps } from './history.ts';
import { judgeOps } from './judges.ts';
import { knowledgeOps } from './knowledge.ts';
import { mcpOps } from './mcp.ts';
import { mountedBatchOps } from './mounted-batch.ts';
import { scheduleOps } from './schedules.ts';
import type { SessionOps } from './scope.ts';
import { createSessionOps } from './session-ops.ts';
import { sessionSelfOps } from './session.ts';
import { skillOps } from './skills.ts';
import { storageOps } from './storage.ts';
import { taskOps } from './tasks.ts';

export interface AllOpsDeps {
  db: Database;
  ids: IdSource;
  vault: Vault;
  feed: Pick<CommitFeed, 'committed'>;
  schedules: ScheduleLimits;
  /** Throws `rate_limited` when schedules are made too fast for a user; default: any number can be made. */
  admitSchedule?: AdmitSchedule | undefined;
  configs: SessionConfigs;
  resolveModel: (turn: TurnConfig) => Promise<ResolvedModel>;
  /** Asked for with each op: the engine is made with the ops. */
  tasks: Parameters<typeof taskOps>[0];
}

/** Everything that running steps may ask for. */
export function allSessionOps({ db, ids, vault, feed, schedules, admitSchedule, configs, resolveModel, tasks }: AllOpsDeps): SessionOps {
  const mountsOf = createMounts({ db, ids, configs, own: true });
  return createSessionOps({
    ...sessionSelfOps({ db, feed }),
    ...historyOps({ db, resolveModel }),
    ...judgeOps({ db, resolveModel }),
    ...budgetOps(db),
    ...scheduleOps(createScheduleService({ db, limits: schedules, now: () => new Date(), admit: admitSchedule })),
    ...storageOps(createSessionStorage({ db, vault })),
    ...taskOps(tasks),
    ...approvalOps(db),
    ...fileOps(createMountedFiles(createFileService(db), mountsOf), feed),
    ...mountedBatchOps(fileBatchOps(db, feed), { db, feed, mountsOf }),
    ...mcpOps(createMcpConnections({ db, vault })),
    ...containerOps({ db, ids }),
    ...databaseOps(createDatabaseService({ db, ids })),
    ...knowledgeOps(createKnowledgeService({ db, ids }), configs),
    ...skillOps(createSessionSkills(db)),
  });
}
