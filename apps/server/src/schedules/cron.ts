import { Cron } from 'croner';

/** Times of schedules: five-field cron expressions in a time zone. */

/** As many firings are looked at to find the shortest time between two. */
const LOOKED_AT = 50;

/** The first time after another, or null when there is none. Throws for an expression that cannot be read. */
export function nextTime(cron: string, timezone: string, after: Date): Date | null {
  return parse(cron, timezone).nextRun(after);
}

/** Why an expression is refused, or null. The shortest time between two of its firings must be at least `minIntervalSecs`. */
export function cronProblem(cron: string, timezone: string, options: { minIntervalSecs: number; now: Date }): string | null {
  let job: Cron;
  try {
    job = parse(cron, timezone);
  } catch {
    return 'must be a cron expression with five fields: minute, hour, day of month, month, day of week';
  }
  const times = job.nextRuns(LOOKED_AT, options.now);
  if (times.length === 0) return 'never comes';
  const shortestMs = Math.min(...times.slice(1).map((time, index) => time.getTime() - (times[index] as Date).getTime()));
  if (shortestMs >= options.minIntervalSecs * 1_000) return null;
  return `must leave at least ${options.minIntervalSecs} s between two times`;
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function parse(cron: string, timezone: string): Cron {
  if (!/^\S+( +\S+){4}$/.test(cron.trim())) throw new Error('not five fields'); // the library knows nicknames besides
  return new Cron(cron, { timezone, mode: '5-part', paused: true });
}
