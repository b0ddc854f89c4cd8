import { describe, expect, it } from 'vitest';
import { sample, seedOf, seededRandom } from './sampling.ts';

describe('sample', () => {
  const items = Array.from({ length: 50 }, (_, index) => index);

  it('is the same for the same seed and another for another', () => {
    const of = (seed: number) => sample(items, 10, seededRandom(seed));
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
    expect(new Set(of(3)).size).toBe(10);
  });

  it('takes all when asked for more than there are', () => {
    expect(sample([1, 2, 3], 10, seededRandom(seedOf('abc'))).sort((a, b) => a - b)).toEqual([1, 2, 3]);
  });

  it('spreads evenly', () => {
    const random = seededRandom(7);
    const values = Array.from({ length: 10_000 }, random);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(values.filter((value) => value < 0.25).length).toBeGreaterThan(2_300);
    expect(values.filter((value) => value < 0.25).length).toBeLessThan(2_700);
  });
});
