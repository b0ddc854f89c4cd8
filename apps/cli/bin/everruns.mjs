#!/usr/bin/env node
// The command runs on the Node that the project brings, whatever Node this is.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const own = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));
process.on('SIGINT', () => undefined); // the command below decides what it means
const node = existsSync(own) ? own : process.execPath;
const { status, signal } = spawnSync(node, [entry, ...process.argv.slice(2)], { stdio: 'inherit' });
process.exit(status ?? 128 + (signal === null ? 1 : constants.signals[signal]));
