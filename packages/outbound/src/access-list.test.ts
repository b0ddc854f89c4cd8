import { expect, it } from 'vitest';
import { permits } from './access-list.ts';

const at = (address: string) => new URL(address);

it.each([
  [undefined, 'https://anything.example/', true],
  [{}, 'https://anything.example/', true],
  [{ allowed: [] }, 'https://anything.example/', false],
  [{ allowed: ['example.com'] }, 'https://example.com/a', true],
  [{ allowed: ['example.com'] }, 'https://EXAMPLE.com./a', true],
  [{ allowed: ['example.com'] }, 'https://www.example.com/', false],
  [{ allowed: ['example.com'] }, 'https://example.com.evil.test/', false],
  [{ allowed: ['*.example.com'] }, 'https://a.b.example.com/', true],
  [{ allowed: ['*.example.com'] }, 'https://example.com/', false],
  [{ allowed: ['*.example.com'] }, 'https://notexample.com/', false],
  [{ allowed: ['*'] }, 'https://x.test/', true],
  [{ allowed: ['example.com:8443'] }, 'https://example.com:8443/', true],
  [{ allowed: ['example.com:443'] }, 'https://example.com/', true],
  [{ allowed: ['example.com:8443'] }, 'https://example.com/', false],
  [{ allowed: ['https://example.com'] }, 'https://example.com/x', true],
  [{ allowed: ['https://example.com/docs'] }, 'https://example.com/docs', false],
  [{ allowed: ['bücher.example'] }, 'https://bücher.example/', true],
  [{ allowed: ['::1'] }, 'http://[::1]:8080/', true],
  [{ allowed: ['[::1]:8080'] }, 'http://[::1]:8080/', true],
  [{ allowed: ['*'], blocked: ['evil.test'] }, 'https://evil.test/', false],
  [{ blocked: ['*.evil.test'] }, 'https://a.evil.test/', false],
  [{ blocked: ['*.evil.test'] }, 'https://good.test/', true],
  [{ blocked: ['https://evil.test/path'] }, 'https://evil.test/other', false],
])('%j and %s: %j', (access, address, expected) => expect(permits(access, at(address))).toBe(expected));
