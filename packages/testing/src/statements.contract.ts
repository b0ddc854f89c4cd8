import { DEFAULT_ORG_ID } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { appendInStep, completeStep, loadTurnConfig, readPrompt } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { call, cancel, claim, claimOne, openSession, post, reasonCommand, toolCommand } from '@everruns/storage/core/testing/turn-driver';
import type { Player } from '@everruns/storage/core/testing/turn-driver';
import { openWorld } from '@everruns/storage/core/testing/world';
import type { World } from '@everruns/storage/core/testing/world';
import { sql } from '@everruns/storage/core/testing/sql';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testDatabase } from './postgres.ts';
import { statementsDuring } from './statements.ts';

let world: World;
let db: Database;
let player: Player;

beforeAll(async () => {
  world = await openWorld(await testDatabase());
});

beforeEach(async () => {
  await world.reset();
  ({ db, player } = world);
});

afterAll(() => world.close());

describe('statementsDuring', () => {
  test('counts the calls of each statement, and gives the result of the work', async () => {
    const counted = await statementsDuring(db, async () => {
      for (let n = 0; n < 3; n++) await sql(db, 'select $1::int as n', [n]);
      await sql(db, 'select 1 as one union all select 2');
      return 'done';
    });
    expect(counted.result).toBe('done');
    expect(counted.calls).toBe(4);
    expect(counted.statements).toMatchObject([
      { text: 'select $1::int as n', calls: 3, rows: 3 },
      { text: 'select $1 as one union all select $2', calls: 1, rows: 2 },
    ]);
  });

  test('counts what ran before only if it runs again, and no transaction control', async () => {
    await sql(db, `select upper('before')`);
    const counted = await statementsDuring(db, () => db.transaction((tx) => sql(tx, `select lower('within')`)));
    expect(counted.statements.map((statement) => statement.text)).toEqual(['select lower($1)']);
  });

  test('counts what other connections do', async () => {
    const counted = await statementsDuring(db, () => world.shifted(0, (other) => sql(other, `select length('elsewhere')`)));
    expect(counted.statements.map((statement) => statement.text)).toContain('select length($1)');
  });

  test('nothing is nothing', async () => {
    expect(await statementsDuring(db, async () => undefined)).toEqual({ result: undefined, statements: [], calls: 0 });
  });
});

describe('R1: statements of a turn', () => {
  const loadConfig = (sessionId: Uuid) => loadTurnConfig(db, { orgId: DEFAULT_ORG_ID, sessionId });

  async function reasonStep(calls: Parameters<typeof reasonCommand>[2]['calls'] = []): Promise<void> {
    const task = await claimOne(db, player, 'reason');
    const { seen } = await readPrompt(db, task.sessionId);
    await loadConfig(task.sessionId);
    await completeStep(db, reasonCommand(player, task, { seen, calls }));
  }

  test('a text turn is accept, claim, prompt, configuration, complete', async () => {
    const sessionId = await openSession(db, player);
    const { statements, calls } = await statementsDuring(db, async () => {
      await post(db, player, sessionId);
      await reasonStep();
    });
    expect(calls).toBe(5);
    for (const part of [
      'insert into message_keys',
      'delete from ready',
      "type in ('input.message'",
      'harnesses',
      'insert into workflow_events',
    ]) {
      expect(statements.some((statement) => statement.calls === 1 && withConstants(statement.text).includes(withConstants(part)))).toBe(
        true,
      );
    }
  });

  test('a text turn that starts with a seat at hand needs no claim', async () => {
    const sessionId = await openSession(db, player);
    const { calls } = await statementsDuring(db, async () => {
      const accepted = await post(db, player, sessionId, { seated: true });
      const task = accepted.verdict === 'started' ? accepted.task : null;
      if (task === null) throw new Error('The seat was not taken.');
      const { seen } = await readPrompt(db, sessionId);
      await loadConfig(sessionId);
      await completeStep(db, reasonCommand(player, task, { seen }));
    });
    expect(calls).toBe(4);
  });

  test('text that streams adds the start of its message', async () => {
    const sessionId = await openSession(db, player);
    await post(db, player, sessionId);
    const { calls } = await statementsDuring(db, async () => {
      const task = await claimOne(db, player, 'reason');
      const { seen } = await readPrompt(db, sessionId);
      await loadConfig(sessionId);
      const events = [{ type: 'output.message.started' as const, context: {}, data: {} }];
      await appendInStep(db, { sessionId, taskId: task.taskId, token: task.token, n: 1, events });
      await completeStep(db, reasonCommand(player, task, { seen }));
    });
    expect(calls).toBe(5);
  });

  test('a tool call adds its claim and its completion', async () => {
    const sessionId = await openSession(db, player);
    await post(db, player, sessionId);
    await reasonStep([call('a')]);
    const { calls } = await statementsDuring(db, async () => {
      const tool = await claimOne(db, player, 'tool');
      await completeStep(db, toolCommand(player, tool));
    });
    expect(calls).toBe(2);
  });

  test('calls that are claimed together share the claim', async () => {
    const sessionId = await openSession(db, player);
    await post(db, player, sessionId);
    await reasonStep([call('a'), call('b'), call('c')]);
    const { calls } = await statementsDuring(db, async () => {
      for (const tool of await claim(db, player, 'tool')) await completeStep(db, toolCommand(player, tool));
    });
    expect(calls).toBe(4);
  });

  test('a cancel is a lock, a read and a write', async () => {
    const sessionId = await openSession(db, player);
    await post(db, player, sessionId);
    expect((await statementsDuring(db, () => cancel(db, player, sessionId))).calls).toBe(3);
  });
});

/** Literals are shown as parameters, so both sides are compared without them. */
function withConstants(text: string): string {
  return text.replaceAll(/'[^']*'|\$\d+/g, '?');
}
