import { expect, test } from 'vitest';
import { summarize, type Report } from './test-summary.ts';

const report = (statuses: string[], fileStatus = 'passed'): Report => ({
  success: fileStatus === 'passed',
  numPassedTests: statuses.filter((status) => status === 'passed').length,
  numFailedTests: statuses.filter((status) => status === 'failed').length,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [{ name: 'a.test.ts', status: fileStatus, assertionResults: statuses.map((status) => ({ status, fullName: 'does it' })) }],
});

test('sums passed and failed over runs', () => {
  const runs = [
    { name: 'pure', ok: true, report: report(['passed', 'passed']) },
    { name: 'contract', ok: false, report: report(['passed', 'failed'], 'failed') },
  ];
  expect(summarize([{ name: 'types', ok: true }], runs)).toEqual({ passed: 3, failed: 1, remarks: [] });
});

test('a failed check counts', () => {
  expect(summarize([{ name: 'lint', ok: false }], [])).toEqual({ passed: 0, failed: 1, remarks: ['check failed: lint'] });
});

test('a skipped test counts as failed', () => {
  const summary = summarize([], [{ name: 'pure', ok: true, report: report(['passed', 'skipped', 'todo']) }]);
  expect(summary).toMatchObject({ passed: 1, failed: 2 });
});

test('a file that does not load counts as failed once', () => {
  const summary = summarize([], [{ name: 'pure', ok: false, report: report([], 'failed') }]);
  expect(summary).toEqual({ passed: 0, failed: 1, remarks: ['did not load: a.test.ts'] });
});

test('a run that fails with every test passed, or without a report, counts as failed', () => {
  const runs = [
    { name: 'pure', ok: false, report: report(['passed']) },
    { name: 'system', ok: false, report: undefined },
  ];
  expect(summarize([], runs)).toMatchObject({ passed: 1, failed: 2 });
});
