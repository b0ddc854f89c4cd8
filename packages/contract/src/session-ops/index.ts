import { BUDGET_OPS } from './budgets.ts';
import { APPROVAL_OPS } from './approvals.ts';
import { CONTAINER_OPS } from './containers.ts';
import { FILE_BATCH_OPS } from './file-batch.ts';
import { FILE_OPS } from './files.ts';
import { HISTORY_OPS } from './history.ts';
import { DATABASE_OPS } from './databases.ts';
import { KNOWLEDGE_OPS } from './knowledge.ts';
import { MCP_OPS } from './mcp.ts';
import { JUDGE_OPS } from './judges.ts';
import type { ArgsOf, ResultOf } from './op.ts';
import { SCHEDULE_OPS } from './schedules.ts';
import { SESSION_SELF_OPS } from './session.ts';
import { SKILL_OPS } from './skills.ts';
import { STORAGE_OPS } from './storage.ts';
import { TASK_OPS } from './tasks.ts';

export { BUDGET_OPS, type BudgetAnswer, type BudgetRefusalCode, type BudgetStanding } from './budgets.ts';
export * from './file-batch.ts';
export { APPROVAL_OPS } from './approvals.ts';
export { CONTAINER_OPS } from './containers.ts';
export { FILE_OPS, MAX_GREP_LIMIT, MAX_PATHS_PER_READ } from './files.ts';
export type { OpFile } from './files.ts';
export { HISTORY_OPS, HISTORY_ROLES, MAX_HISTORY_LIMIT, type HistoryMessage, type HistoryRole } from './history.ts';
export { JUDGE_OPS, KEY_OPS } from './judges.ts';
export { DATABASE_OPS, type OpenedSessionDatabase } from './databases.ts';
export { KNOWLEDGE_OPS, MAX_KNOWLEDGE_RESULTS } from './knowledge.ts';
export { MAX_MCP_TOOLS, MCP_OPS, type GoneMcpServer, type McpServerState } from './mcp.ts';
export { SCHEDULE_OPS } from './schedules.ts';
export { SESSION_SELF_OPS, type SessionInfo } from './session.ts';
export { SKILL_OPS, type ListedSkill, type SkillActivation, type SkillList, type SkillSummary } from './skills.ts';
export { STORAGE_OPS } from './storage.ts';
export { TASK_OPS, type TaskAnswer, type TreeLimits } from './tasks.ts';

/** All ops, by name. An area adds its own here. */
export const SESSION_OPS = {
  ...SCHEDULE_OPS,
  ...SESSION_SELF_OPS,
  ...STORAGE_OPS,
  ...APPROVAL_OPS,
  ...FILE_OPS,
  ...FILE_BATCH_OPS,
  ...CONTAINER_OPS,
  ...DATABASE_OPS,
  ...KNOWLEDGE_OPS,
  ...MCP_OPS,
  ...HISTORY_OPS,
  ...TASK_OPS,
  ...SKILL_OPS,
  ...BUDGET_OPS,
  ...JUDGE_OPS,
};

export type SessionOp = keyof typeof SESSION_OPS;
export type OpArgs<O extends SessionOp> = ArgsOf<(typeof SESSION_OPS)[O]>;
export type OpResult<O extends SessionOp> = ResultOf<(typeof SESSION_OPS)[O]>;

export function isSessionOp(name: string): name is SessionOp {
  return Object.hasOwn(SESSION_OPS, name);
}

/** Why an op was not done, as it travels. The message is in words that a model may read. */
export interface OpProblem {
  code: string;
  message: string;
  field?: string;
}
