import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const DEMO = fileURLToPath(new URL('./demo.ts', import.meta.url));

test('the demo ends with five findings from the log, all good, after a real SIGKILL of the worker with the turn', async () => {
  const demo = spawn(process.execPath, [DEMO], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(demo, 'exit')) as [number | null];
  const pid = Number(/kill -9 (\d+): worker-[ab]/.exec(output)?.[1]);
  const findings =
    output
      .split('Read again from the log:\n')[1]
      ?.split('\n')
      .filter((line) => line.trim() !== '') ?? [];
  expect({ code, findings: findings.map((line) => line.slice(0, 6)), output }).toMatchObject({
    code: 0,
    findings: Array(5).fill('  ok  '),
  });
  expect(output).toMatch(new RegExp(`The worker-[ab] ended \\(SIGKILL\\)`));
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  expect(Number(/; (\d+) ms later the other worker had the turn/.exec(output)?.[1])).toBeLessThan(2_000);
});
