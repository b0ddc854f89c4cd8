import { describe, expect, it } from 'vitest';
import { pathRegex } from './globs.ts';
import { ancestorPaths, clampedPath, fileName, parentPath, shownPath, strictPath } from './paths.ts';

describe('a path as an API takes it', () => {
  it.each([
    ['a.txt', '/a.txt'],
    ['/a/b', '/a/b'],
    ['a/b/', '/a/b'],
    ['workspace/a', '/a'],
    ['/workspace/a', '/a'],
    ['/workspace', '/'],
    ['', '/'],
    ['/', '/'],
    ['./a/./b', '/a/b'],
    ['..a/b..', '/..a/b..'],
    ['a_/_', '/a_/_'],
  ])('%j is %j', (raw, path) => expect(strictPath(raw)).toEqual({ path }));

  it.each([
    ['../a', 'go up'],
    ['a/../b', 'go up'],
    ['/workspace/..', 'go up'],
    ['a//b', 'two slashes'],
    ['//a', 'two slashes'],
    ['a\u0000b', 'NUL'],
    ['a\nb', 'control'],
    ['\ud800', 'surrogates'],
    ['_/stat', 'reserved'],
    ['workspace/_', 'reserved'],
    ['x'.repeat(256), '255 bytes'],
    ['ü'.repeat(128), '255 bytes'],
    ['abcdefg/'.repeat(130), '1024 bytes'],
  ])('%j is refused: %s', (raw, problem) => expect(strictPath(raw).problem).toContain(problem));
});

describe('a path as a tool takes it', () => {
  it.each([
    ['/workspace/a/../b', '/b'],
    ['../../a', '/a'],
    ['/../etc/passwd', '/etc/passwd'],
    ['a//b', '/a/b'],
    ['.', '/'],
    ['/workspace/', '/'],
  ])('%j is %j', (raw, path) => expect(clampedPath(raw)).toEqual({ path }));

  it('has no NUL', () => expect(clampedPath('a\u0000').problem).toContain('NUL'));
});

it('knows names, parents and ancestors', () => {
  expect([fileName('/a/b.txt'), parentPath('/a/b.txt'), parentPath('/a')]).toEqual(['b.txt', '/a', '/']);
  expect(ancestorPaths('/a/b/c')).toEqual(['/a', '/a/b']);
  expect(ancestorPaths('/a')).toEqual([]);
  expect([shownPath('/'), shownPath('/a')]).toEqual(['/workspace', '/workspace/a']);
});

describe('a place to look in', () => {
  const matches = (pattern: string, path: string): boolean => new RegExp(pathRegex(pattern)).test(path);
  it.each([
    ['*.ts', '/a/b.ts', true],
    ['*.ts', '/a/b.tsx', false],
    ['src/*.ts', '/src/a.ts', true],
    ['src/*.ts', '/src/a/b.ts', false],
    ['/workspace/src/**/*.ts', '/src/a/b.ts', true],
    ['src/**/*.ts', '/src/b.ts', true],
    ['**/test/**', '/a/test/b', true],
    ['a?c', '/abc', true],
    ['src', '/src/a', true],
    ['src', '/src', true],
    ['src', '/srcs/a', false],
    ['/workspace', '/anything', true],
    ['a.b', '/aXb', false],
    ['(x)*', '/(x)y', true],
  ])('%j and %j: %j', (pattern, path, expected) => expect(matches(pattern, path)).toBe(expected));
});
