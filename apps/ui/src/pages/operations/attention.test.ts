import { expect, test } from 'vitest';
import { concernsOf } from './attention.ts';

const CALM = { active_workers: 2, workers_accepting: 2, pending_tasks: 0, load_percentage: 10, dlq_size: 0 };

test('an installation that does its work asks for nothing', () => {
  expect(concernsOf(CALM)).toEqual([]);
  expect(concernsOf({ ...CALM, load_percentage: 100 })).toEqual([]);
});

test('missing workers come before dead letters', () => {
  const concerns = concernsOf({ active_workers: 0, workers_accepting: 0, pending_tasks: 3, load_percentage: 0, dlq_size: 1 });
  expect(concerns.map(({ key, tone, title }) => [key, tone, title])).toEqual([
    ['no-workers', 'bad', 'No worker is running'],
    ['dead-letters', 'warn', '1 dead letter'],
  ]);
  expect(concerns[0]?.text).toMatch(/^3 tasks wait:/);
});

test('workers that all drain are as bad as none', () => {
  expect(concernsOf({ ...CALM, workers_accepting: 0 })[0]?.title).toBe('No worker takes new tasks');
});

test('full workers matter when something waits', () => {
  expect(concernsOf({ ...CALM, load_percentage: 95, pending_tasks: 1 }).map(({ key }) => key)).toEqual(['full']);
});
