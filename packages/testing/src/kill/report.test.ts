import { describe, expect, it } from 'vitest';
import { histogram, percentile } from './histogram.ts';
import { countsInReport, renderReport } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { countsOf } from './summary.ts';
import { shotsAt } from './victims.ts';
import type { Point } from './victims.ts';

describe('percentile', () => {
  it.each([
    [[], 0.5, null],
    [[7], 0.99, 7],
    [[4, 1, 3, 2], 0.5, 2],
    [[4, 1, 3, 2], 1, 4],
  ])('of %j at %d is %s', (values, share, result) => {
    expect(percentile(values, share)).toBe(result);
  });
});

describe('histogram', () => {
  it('counts in buckets, empty ones included', () => {
    expect(histogram([10, 20, 310], 100).map((line) => line.replaceAll('#', '').trim())).toEqual([
      '0 ms     2',
      '100 ms     0',
      '200 ms     0',
      '300 ms     1',
    ]);
  });

  it('of nothing is nothing', () => expect(histogram([], 100)).toEqual([]));
});

describe('the report', () => {
  const points: Point[] = [
    { kind: 'commit', n: 1, label: 'accept' },
    { kind: 'call', n: 1, label: 'model' },
    { kind: 'call', n: 1, label: 'effect unsafe' },
  ];

  it('gives back the counts that it was written with', () => {
    const counts = { text: countsOf(points) };
    const report = { scenarios: SCENARIOS, counts, rows: [], victims: [], takeoverMs: [120], takeoverViolations: 0, environment: '' };
    expect(countsInReport(renderReport(report))).toEqual(counts);
    expect(counts.text).toEqual({ commits: { accept: 1 }, calls: { 'effect unsafe': 1, model: 1 } });
    expect(countsInReport('# nothing')).toBeNull();
  });

  it('shoots before, after and after with the answer lost at every point, and into the middle of what has one', () => {
    const ways = (label: string) =>
      shotsAt(points)
        .filter((shot) => shot.point.label === label)
        .map((shot) => `${shot.victim} ${shot.phase}`);
    for (const victim of ['worker', 'server', 'postgres']) {
      for (const phase of ['before', 'after', 'lost']) for (const { label } of points) expect(ways(label)).toContain(`${victim} ${phase}`);
      expect(ways('model')).toContain(`${victim} mid`);
      expect(ways('effect unsafe')).not.toContain(`${victim} mid`);
    }
    expect(ways('accept')).toEqual(expect.arrayContaining(['backend before', 'connection lost', 'link lost']));
    expect(ways('model')).toContain('postmaster mid');
  });
});
