import { sleep } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import type { Client } from './client.ts';
import type { Instance } from './instance.ts';
import type { Worker } from './worker.ts';
import { count } from './world.ts';
import type { World } from './world.ts';

/** Kills, stops, cuts and restarts, for as long as the weather is bad. */
export class Trouble {
  readonly #world: World;
  readonly #workers: readonly Worker[];
  readonly #acts: (() => void)[];

  constructor(world: World, workers: readonly Worker[], clients: readonly Client[]) {
    this.#world = world;
    this.#workers = workers;
    const { random } = world;
    const worker = (): Worker => random.pick(workers);
    const instance = (): Instance => random.pick(world.instances);
    this.#acts = [
      () => this.#kill(worker(), random.between(20, 3_000)),
      () => this.#kill(worker(), random.between(20, 300)),
      () => this.#stop(worker(), 'worker'),
      () => this.#stop(worker(), 'worker'),
      () => this.#kill(instance(), random.between(50, 4_000)),
      () => this.#stop(instance(), 'server'),
      () => instance().cutOff(random.between(100, 9_000)),
      () => this.#loseUnaware(instance()),
      () => this.#greetLate(instance()),
      () => this.#crashDatabase(),
      () => worker().link?.break(),
      () => {
        // Lost and cancelled at about the same time.
        worker().link?.break();
        world.timeline.after(random.between(0, 250), () => random.pick(clients).cancelNow());
      },
      () => (world.server.clockShiftMs += random.between(-2_000, 6_000)),
    ];
  }

  *run(): Task<void> {
    const { random, timeline, chaos } = this.#world;
    for (;;) {
      yield* sleep(timeline, -Math.log(1 - random.next()) * chaos.weather.calmMs);
      if (!chaos.active) return;
      random.pick(this.#acts)();
    }
  }

  /** Everything that is down comes up, and stays. */
  heal(): void {
    this.#world.chaos.active = false;
    if (!this.#world.server.up) this.#world.server.restart();
    for (const process of [...this.#world.instances, ...this.#workers]) {
      if (!process.life.alive) process.start();
      process.life.resume();
    }
  }

  /** Cut off for long enough to be declared lost, while workers look for a place: some attach before it knows. */
  #loseUnaware(instance: Instance): void {
    const { random, timeline } = this.#world;
    const forMs = random.between(7_000, 9_000);
    instance.cutOff(forMs);
    for (const worker of this.#workers) timeline.after(forMs - random.between(0, 1_800), () => worker.link?.break());
  }

  /** Cut off for a while in which workers come to it and, as they get no answer, go on to others: what it still has to do for them is late. */
  #greetLate(instance: Instance): void {
    const { random, timeline } = this.#world;
    instance.cutOff(random.between(200, 3_500));
    for (const worker of this.#workers) timeline.after(random.between(0, 100), () => worker.link?.break());
  }

  #kill(process: Worker | Instance, forMs: number): void {
    if (!process.life.alive) return;
    const { life } = process;
    count(this.#world, 'process killed');
    this.#world.trace(() => `kill ${process.name}`);
    life.kill();
    this.#world.timeline.after(forMs, () => process.life === life && process.start());
  }

  #stop(process: Worker | Instance, side: 'worker' | 'server'): void {
    const { life } = process;
    if (!life.alive || life.stopped) return;
    const { random, timeline } = this.#world;
    count(this.#world, 'process stopped');
    this.#world.trace(() => `stop ${process.name}`);
    life.stop();
    for (const worker of this.#workers) {
      if (process === worker || side === 'server') worker.link?.stopped(side);
    }
    timeline.after(random.chance(0.5) ? random.between(50, 1_500) : random.between(4_000, 10_000), () => life.resume());
  }

  #crashDatabase(): void {
    const { server, random, timeline } = this.#world;
    if (!server.up) return;
    count(this.#world, 'database crashed');
    this.#world.trace(() => 'database crashes');
    server.crash();
    timeline.after(random.between(20, 4_000), () => server.up || server.restart());
  }
}
