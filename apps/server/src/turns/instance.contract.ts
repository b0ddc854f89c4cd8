import { createIdSource } from '@everruns/contract';
import type { BeatResult, Database } from '@everruns/storage';
import { openDatabase } from '@everruns/storage';
import { testDatabase } from '@everruns/testing/postgres';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Instance } from './instance.ts';
import { FaultyDatabase } from './testing/faulty-database.ts';

let database: Awaited<ReturnType<typeof testDatabase>>;
let db: Database;
const ids = createIdSource();
const instances: Instance[] = [];

beforeEach(async () => {
  database = await testDatabase();
  db = openDatabase(database.settings);
});
afterEach(async () => {
  for (const instance of instances.splice(0)) await instance.stop();
  await db.close();
  await database.drop();
});

interface Member {
  instance: Instance;
  faults: FaultyDatabase;
  told: string[];
  /** Moves its clock on and lets it beat. */
  beatAfter: (ms: number) => Promise<void>;
  clock: { nowMs: number };
}

async function member(options: { versions?: number[]; onBeat?: (result: BeatResult) => Promise<void> } = {}): Promise<Member> {
  const faults = new FaultyDatabase(db);
  const told: string[] = [];
  const clock = { nowMs: 0 };
  const instance = new Instance({
    db: faults,
    newId: () => ids.next(),
    versions: { turn: options.versions ?? [1] },
    address: '',
    sole: false,
    log: { info: () => undefined, warn: (_fields, text) => void told.push(text), error: () => undefined },
    nowMs: () => clock.nowMs,
    onBeat: options.onBeat ?? (() => Promise.resolve()),
    onReborn: () => void told.push('reborn'),
    onPaused: (paused) => void told.push(paused ? 'paused' : 'goes on'),
  });
  instances.push(instance);
  await instance.start();
  return {
    instance,
    faults,
    told,
    clock,
    beatAfter: (ms) => {
      clock.nowMs += ms;
      return instance.tick();
    },
  };
}

const lostIds = async () =>
  (await db.run<{ id: string }>({ name: 'test_lost', text: 'select id from instances where lost_at is not null' })).map((row) => row.id);

describe('W6: liveness', () => {
  test('a peer whose counter stands still for 6 s of our own unbroken beats is lost', async () => {
    const [judge, still] = [await member(), await member()];
    for (let ms = 0; ms < 6_000; ms += 2_000) {
      await judge.beatAfter(2_000);
      expect(await lostIds()).toEqual([]);
    }
    await judge.beatAfter(2_000);
    expect(await lostIds()).toEqual([still.instance.instanceId]);
  });

  test('one whose counter moves is not', async () => {
    const [judge, peer] = [await member(), await member()];
    for (let ms = 0; ms < 20_000; ms += 2_000) {
      await judge.beatAfter(2_000);
      if (ms % 4_000 === 0) await peer.beatAfter(0);
    }
    expect(await lostIds()).toEqual([]);
  });

  test('after a pause of our own everybody has 6 s anew', async () => {
    const judge = await member();
    await member();
    await judge.beatAfter(2_000);
    await judge.beatAfter(2_000);
    await judge.beatAfter(3_500);
    await judge.beatAfter(2_000);
    await judge.beatAfter(2_000);
    expect(await lostIds()).toEqual([]);
    await judge.beatAfter(2_000);
    expect(await lostIds()).toHaveLength(1);
  });

  test('a lost instance goes on under a new id, and says so before it is registered', async () => {
    const { instance, told, faults, beatAfter } = await member();
    const before = instance.instanceId;
    await db.run({ name: 'test_lose', text: 'update instances set lost_at = engine_now()' });
    faults.loseReply('register_instance');
    await beatAfter(2_000);
    await beatAfter(250);
    expect(instance.instanceId).not.toBe(before);
    expect(told.filter((text) => text === 'reborn')).toHaveLength(1);
    expect(instance.inGrace()).toBe(true);
    const living = await db.run<{ id: string }>({ name: 'test_living', text: 'select id from instances where lost_at is null' });
    expect(living).toEqual([{ id: instance.instanceId }]);
  });

  test('an instance that cannot renew for 3 s pauses, and goes on with the next renewal', async () => {
    const { faults, told, beatAfter, instance, clock } = await member();
    faults.away = true;
    await beatAfter(2_000);
    await beatAfter(1_500);
    clock.nowMs += 500;
    instance.checkPause();
    expect(told).toContain('paused');
    faults.away = false;
    await beatAfter(250);
    expect(told.at(-1)).toBe('goes on');
  });

  test('a renewal that hangs is one that does not come', async () => {
    const { faults, told, beatAfter, instance, clock } = await member();
    const hanging = faults.hold('instance_beat');
    const beat = beatAfter(2_000);
    await hanging.reached;
    clock.nowMs += 1_500;
    instance.checkPause();
    expect(told).toEqual([]); // a process that was stopped itself gets to its beat first
    clock.nowMs += 500;
    instance.checkPause();
    expect(told).toEqual(['paused']);
    hanging.release();
    await beat;
    expect(told).toEqual(['paused', 'goes on']);
  });

  test('the work that a beat found is done one at a time, and never holds up a beat', async () => {
    const first = Promise.withResolvers<void>();
    let rounds = 0;
    const { instance } = await member({
      onBeat: () => {
        rounds += 1;
        return rounds === 2 ? first.promise : Promise.resolve();
      },
    });
    const beats = [instance.tick(), instance.tick(), instance.tick()];
    const counter = async () => (await db.run<{ beat: number }>({ name: 'test_count', text: 'select beat from instances' }))[0]?.beat;
    while ((await counter()) !== 4) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(rounds).toBe(2);
    first.resolve();
    await Promise.all(beats);
    expect(rounds).toBe(3);
  });
});

test('R10: the common version is the highest that every live peer knows', async () => {
  const [newest, older] = [await member({ versions: [1, 2, 3] }), await member({ versions: [1, 2] })];
  await newest.beatAfter(2_000);
  expect(newest.instance.commonVersion('turn')).toBe(2);
  await db.run({ name: 'test_lose_one', text: 'update instances set lost_at = engine_now() where id = $1' }, [older.instance.instanceId]);
  await newest.beatAfter(2_000);
  expect(newest.instance.commonVersion('turn')).toBe(3);
});
