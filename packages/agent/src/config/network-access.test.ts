import { describe, expect, it } from 'vitest';
import { coversHost, narrowNetworkAccess } from './network-access.ts';

describe('coversHost', () => {
  it.each([
    ['*', '*.a.com', true],
    ['*', 'a.com:80', true],
    ['a.com', 'A.COM.', true],
    ['a.com', 'x.a.com', false],
    ['*.a.com', 'x.a.com', true],
    ['*.a.com', 'y.x.a.com', true],
    ['*.a.com', '*.x.a.com', true],
    ['*.a.com', 'a.com', false],
    ['*.a.com', 'xa.com', false],
    ['*.a.com', '*', false],
    ['a.com', 'a.com:443', true],
    ['a.com:443', 'a.com', false],
    ['a.com:443', 'a.com:80', false],
    ['[::1]:80', '[::1]:80', true],
  ])('%s over %s: %s', (outer, inner, expected) => {
    expect(coversHost(outer, inner)).toBe(expected);
  });
});

it('narrows to the same whichever way several layers are put together', () => {
  const lists = [
    undefined,
    { allowed: ['*'] },
    { allowed: ['*.a.com', 'b.com'] },
    { allowed: ['x.a.com'], blocked: ['b.com'] },
    { allowed: [] },
  ];
  for (const a of lists) {
    for (const b of lists) {
      for (const c of lists) {
        const left = narrowNetworkAccess(narrowNetworkAccess(a, b), c);
        expect(left).toEqual(narrowNetworkAccess(a, narrowNetworkAccess(b, c)));
      }
    }
  }
});
