import { expect, test } from 'vitest';
import { readLine } from './log-sink.ts';

test.each([
  ['{"level":30,"msg":"listening"}', 30, 'listening'],
  ['{"level":40,"msg":"no key"}', 40, 'no key'],
  ['{"level":60,"msg":"start failed","err":{"message":"old server"}}', 60, 'start failed: old server'],
  ['{"level":60,"msg":"old server","err":{"message":"old server"}}', 60, 'old server'],
  ['TypeError: x is not a function', 50, 'TypeError: x is not a function'],
  ['Error [ERR_X]: went wrong', 50, 'Error [ERR_X]: went wrong'],
  ['FATAL ERROR: Reached heap limit', 50, 'FATAL ERROR: Reached heap limit'],
  ['The control plane cannot start: no module', 1, 'The control plane cannot start: no module'],
  ['file:///app/main.ts:3', 0, 'file:///app/main.ts:3'],
  ['Node.js v24.21.0', 0, 'Node.js v24.21.0'],
  ['    at main (file.ts:1:2)', 0, '    at main (file.ts:1:2)'],
])('%s has level %i', (line, level, text) => {
  expect(readLine(line)).toEqual({ level, text });
});
