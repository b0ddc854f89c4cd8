import type { ResourceStats } from '@everruns/contract';
import type { StatsRow } from '@everruns/storage';
import { isoOrNull, present } from './fields.ts';

export function presentStats(row: StatsRow): ResourceStats {
  return present({
    session_count: row.total,
    active_session_count: row.active,
    idle_session_count: row.idle,
    started_session_count: row.started,
    waiting_for_tool_results_session_count: row.waiting_for_tool_results,
    execution_count: row.execution_count,
    total_session_duration_ms: row.total_duration_ms,
    avg_session_duration_ms: row.total === 0 ? null : Math.round(row.total_duration_ms / row.total),
    first_session_at: isoOrNull(row.first_session_at),
    last_session_at: isoOrNull(row.last_session_at),
    last_execution_at: isoOrNull(row.last_execution_at),
    total_input_tokens: row.input_tokens,
    total_output_tokens: row.output_tokens,
    total_cache_read_tokens: row.cache_read_tokens,
    total_cache_creation_tokens: row.cache_creation_tokens,
    total_cost_usd: row.cost_usd,
    total_actual_cost_usd: 0,
    total_estimated_cost_usd: row.cost_usd,
  }) as ResourceStats;
}
