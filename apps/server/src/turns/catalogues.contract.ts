import { DEFAULT_ORG_ID } from '@everruns/contract';
import type { CatalogueInput, CatalogueOutcome } from '@everruns/contract';
import type { Task } from '@everruns/contract/generated/worker';
import { prune } from '@everruns/storage';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { engineFixture, HandWorker } from './testing/fixture.ts';
import type { EngineFixture } from './testing/fixture.ts';

/** A catalogue is a step like others: it survives its worker, ends in time, and ends once. */

const PROVIDER = { provider_type: 'openai', api_key: 'sk-canary' };
const FOUND: CatalogueOutcome = { kind: 'catalogue', models: [{ id: 'one' }] };

let fixture: EngineFixture;
const workers: HandWorker[] = [];

beforeEach(async () => {
  fixture = await engineFixture({
    openProvider: (sealed) => Promise.resolve(JSON.parse(Buffer.from(sealed as string, 'base64').toString()) as typeof PROVIDER),
  });
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.vanish();
  await fixture.close();
});

function attach(): HandWorker {
  const worker = new HandWorker(fixture.engine);
  workers.push(worker);
  return worker;
}

const seal = () => Promise.resolve(Buffer.from(JSON.stringify(PROVIDER)).toString('base64'));
const ask = (timeoutMs = 20_000) => fixture.engine.catalogues.ask(DEFAULT_ORG_ID, seal, timeoutMs);
const query = (name: string, text: string) => fixture.db.run({ name: `test_${name}`, text }, []);

async function taken(worker: HandWorker): Promise<{ task: Task; input: CatalogueInput }> {
  const { task, input } = await worker.tool();
  return { task, input: input as unknown as CatalogueInput };
}

async function nothingLeft(): Promise<void> {
  for (const table of ['session_heads', 'ready', 'leases', 'timers', 'dead_letters', 'events']) {
    expect(await query(`left_${table}`, `select 1 from ${table}`), table).toEqual([]);
  }
}

test('a worker gets the provider in clear, which lies sealed in the queue, and its answer is told', async () => {
  const asked = ask();
  await expect.poll(() => query('queued', `select to_jsonb(r) as row from ready r`)).toHaveLength(1);
  expect(JSON.stringify(await query('queued', `select to_jsonb(r) as row from ready r`))).not.toContain('sk-canary');
  const worker = attach();
  const { task, input } = await taken(worker);
  expect(input).toEqual({ kind: 'catalogue', provider: PROVIDER });
  expect(await worker.complete(task, FOUND)).toBe('ok');
  expect(await asked).toEqual(FOUND);
  expect(await query('ended', `select kind, status from workflows`)).toEqual([{ kind: 'catalogue', status: 'completed' }]);
  await nothingLeft();
});

test('what a provider refuses is an answer too', async () => {
  const worker = attach();
  const asked = ask();
  const refused: CatalogueOutcome = { kind: 'catalogue', error: { kind: 'authentication', message: 'No.' } };
  await worker.complete((await taken(worker)).task, refused);
  expect(await asked).toEqual(refused);
  await nothingLeft();
});

test('a worker that is lost while it asks is replaced; one that says so again is told the same', async () => {
  const first = attach();
  const asked = ask();
  const lost = await taken(first);
  first.vanish();
  const second = attach();
  const { task } = await taken(second);
  expect(task.attempt).toBe(2);
  expect(task.token).not.toBe(lost.task.token);
  expect(await second.complete(task, FOUND)).toBe('ok');
  expect(await asked).toEqual(FOUND);
  await nothingLeft();
});

test('a step that breaks again and again ends with words', async () => {
  const worker = attach();
  const asked = ask();
  for (let attempt = 1; attempt <= 3; attempt++) {
    const { task } = await taken(worker);
    expect(task.attempt).toBe(attempt);
    await worker.complete(task, { kind: 'failure', code: 'internal', message: 'It broke.', retryable: true });
    await query('due', `update timers set due_at = engine_now()`);
    await fixture.engine.beat();
  }
  expect(await asked).toMatchObject({ error: { kind: 'unasked', message: expect.stringContaining('It broke.') as string } });
  await nothingLeft();
});

test('without a worker it ends when nobody has taken it in time', async () => {
  const asked = ask();
  await expect.poll(() => query('waiting', `select 1 from ready`)).toHaveLength(1);
  await query('late', `update ready set start_by = engine_now() - interval '1 second'`);
  await fixture.engine.beat();
  expect(await asked).toMatchObject({ error: { kind: 'unasked' } });
  await nothingLeft();
});

test('a worker that takes too long is cut off', async () => {
  const worker = attach();
  const asked = ask();
  const { task } = await taken(worker);
  await query('overdue', `update leases set deadline = engine_now() - interval '1 second'`);
  await fixture.engine.beat();
  expect(await asked).toMatchObject({ error: { kind: 'unasked' } });
  expect(await worker.complete(task, FOUND)).toBe('lost');
  await nothingLeft();
});

test('whoever waits is let go when the time is up, and what is left goes with old workflows', async () => {
  const worker = attach();
  const asked = ask(200);
  const { task } = await taken(worker);
  expect(await asked).toBeNull();
  expect(await worker.complete(task, FOUND)).toBe('ok');
  expect(await query('heads', `select 1 from session_heads`)).toHaveLength(1);
  await query('old', `update workflows set ended_at = ended_at - interval '8 days'`);
  await prune(fixture.db);
  await nothingLeft();
});
