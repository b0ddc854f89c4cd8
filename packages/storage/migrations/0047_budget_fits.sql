-- Would a call fit that was refused before? As the next call would find it: without what has left a rolling window, or belongs to a period that is over. Under a
-- lock that keeps the terms as they are until the caller has committed.
create or replace function budget_fits(p_budget uuid, p_units bigint) returns boolean language plpgsql as $$
declare
  b budgets;
begin
  select * into b from budgets where id = p_budget for share;
  if not found or b.deleted_at is not null or b.status = 'disabled' or b.period_ends_at <= engine_now() then
    return true;
  end if;
  b := budget_rolled(b, engine_now());
  if b.status = 'paused' then
    return false;
  end if;
  return b.limit_units + b.added_units - b.spent
    - (select coalesce(sum(spent), 0) from budget_grants where budget_id = p_budget) >= p_units;
end $$;
