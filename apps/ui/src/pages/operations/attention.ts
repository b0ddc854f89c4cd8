/** What somebody has to look at, worst first. */
export interface Concern {
  key: 'no-workers' | 'dead-letters' | 'full';
  tone: 'bad' | 'warn';
  title: string;
  text: string;
}

export interface Figures {
  active_workers: number;
  workers_accepting: number;
  pending_tasks: number;
  load_percentage: number;
  dlq_size: number;
}

const FULL_PERCENT = 90;

const count = (n: number, one: string, several = `${one}s`): string => `${n.toLocaleString('en')} ${n === 1 ? one : several}`;

export function concernsOf(figures: Figures): Concern[] {
  const concerns: Concern[] = [];
  if (figures.active_workers === 0) {
    const waiting = figures.pending_tasks;
    concerns.push({
      key: 'no-workers',
      tone: 'bad',
      title: 'No worker is running',
      text: `${waiting === 0 ? 'Nothing waits yet' : `${count(waiting, 'task waits', 'tasks wait')}`}: turns go on where they stopped as soon as a worker is there.`,
    });
  } else if (figures.workers_accepting === 0) {
    concerns.push({
      key: 'no-workers',
      tone: 'bad',
      title: 'No worker takes new tasks',
      text: 'Those that run are draining. Start another, and what waits goes on.',
    });
  }
  if (figures.dlq_size > 0) {
    concerns.push({
      key: 'dead-letters',
      tone: 'warn',
      title: count(figures.dlq_size, 'dead letter'),
      text: 'Steps that failed more often than they are tried. Find out why, then requeue them.',
    });
  }
  if (figures.workers_accepting > 0 && figures.load_percentage >= FULL_PERCENT && figures.pending_tasks > 0) {
    concerns.push({
      key: 'full',
      tone: 'warn',
      title: 'Workers are nearly full',
      text: `${count(figures.pending_tasks, 'task waits', 'tasks wait')} for room. More workers would take them at once.`,
    });
  }
  return concerns;
}
