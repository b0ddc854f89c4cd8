import { firstRequest } from 'everruns/welcome';
import { expect, test } from 'vitest';
import { readmeBlock } from './readme.mjs';

test('the first request of the README is the one that npm start prints', () => {
  expect(readmeBlock('First request').trimEnd().split('\n')).toEqual(firstRequest('http://127.0.0.1:9301'));
});
