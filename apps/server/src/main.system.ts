import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { openDatabase } from '@everruns/storage';
import { testDatabase } from '@everruns/testing/postgres';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

test('a turn that waits in a version that this build does not know: the process ends with one line and exit code 1', async () => {
  const database = await testDatabase();
  const db = openDatabase(database.settings);
  try {
    const text = `insert into workflows (id, org_id, session_id, kind, version, status, state, revision)
      values (uuidv7(), uuidv7(), uuidv7(), 'turn', 999, 'waiting', '{}', 1)`;
    await db.run({ name: 'test_future', text });
    const env = {
      PATH: process.env['PATH'] ?? '',
      DATABASE_URL: database.url,
      DEV_MODE: 'true',
      HTTP_ADDR: '127.0.0.1:0',
      LOG_LEVEL: 'silent',
    };
    const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    try {
      const [code] = (await Promise.race([once(child, 'close'), once(AbortSignal.timeout(20_000), 'abort')])) as [unknown];
      expect({ code, errors }).toEqual({ code: 1, errors: expect.stringMatching(/^[^\n]*1 of version 999\.[^\n]*\n$/) as unknown });
    } finally {
      child.kill('SIGKILL');
    }
  } finally {
    await db.close();
    await database.drop();
  }
});
