import { expect, test } from 'vitest';
import { formTarget, hasFreePorts, redirectUriProblem, shownHost } from './redirect-uris.ts';

test.each([
  ['https://client.example/cb', true],
  ['https://client.example:8443/cb?x=1', true],
  ['http://localhost/cb', true],
  ['http://127.0.0.1:1/cb', true],
  ['http://127.8.9.1:1/cb', true],
  ['http://[::1]:5/cb', true],
  ['http://client.example/cb', false],
  ['http://127.0.0.1.example/cb', false],
  ['http://localhost.example/cb', false],
  ['http://2130706433/cb', true],
  ['https://client.example/cb#', false],
  ['https://user@client.example/cb', false],
  ['https://client.example\\@evil.example/cb', false],
  ['https://client.example/ cb', false],
  ['https://client.example/\ncb', false],
  ['https://clïent.example/cb', false],
  ['myapp://cb', false],
  ['data:text/html,x', false],
  ['//client.example/cb', false],
  ['', false],
  [7, false],
])('%j', (uri, isFine) => expect(redirectUriProblem(uri, undefined) === null).toBe(isFine));

test('a web application is not on the loopback', () => {
  expect(redirectUriProblem('http://localhost/cb', 'web')).not.toBeNull();
  expect(redirectUriProblem('http://localhost/cb', 'native')).toBeNull();
});

test('ports are free where every address says which machine it is on', () => {
  expect(hasFreePorts(['http://localhost/a', 'https://client.example/b'])).toBe(true);
  expect(hasFreePorts(['https://client.example/b'])).toBe(false);
  expect(hasFreePorts(['http://127.0.0.2/a'])).toBe(false);
  expect(hasFreePorts(['https://localhost/a', 'http://localhost/a'])).toBe(false);
});

test('a person sees where the browser really goes', () => {
  expect(shownHost('https://client.example:8443/cb')).toBe('client.example:8443');
  expect(shownHost('http://127.0.0.1:33/cb')).toBe('127.0.0.1 (this computer)');
});

test('the policy of the page names where its form leads in words that browsers know', () => {
  expect(formTarget('https://client.example:8443/cb')).toBe('https://client.example:8443');
  expect(formTarget('http://[::1]:5/cb')).toBe('http:');
});
