import type { Random } from '../base/random.ts';
import type { Cut } from '../store/server.ts';

/** How rough the run is; the seed decides, so that some runs are calm and some have one kind of trouble only. */
export interface Weather {
  /** Chance per database request that its connection breaks. */
  cut: number;
  /** Chance per message between worker and instance that the stream breaks with it. */
  linkBreak: number;
  /** Chance that a stream breaks when its first message has just arrived, which the worker notices at once and the instance much later. */
  helloBreak: number;
  /** Chance that a worker says a completion twice. */
  repeat: number;
  /** Chance that a wake-up to another instance is lost. */
  hintLoss: number;
  /** Mean time between kills, stops and restarts. */
  calmMs: number;
  /** Longest way of a message. */
  delayMs: number;
  /** How many times slower than usual the database is. */
  slowness: number;
  /** Chance that a step or a tool takes seconds. */
  longWork: number;
  /** Chance that what a client does next is a cancel. */
  cancel: number;
  /** For how long, from the start, the model's provider is down. */
  outageMs: number;
  /** How long a task may wait for a worker; null: for ever. */
  scheduleToStartMs: number | null;
}

export function weatherOf(random: Random): Weather {
  const some = (probability: number, value: number): number => (random.chance(probability) ? value : 0);
  return {
    cut: some(0.6, random.pick([0.005, 0.02, 0.06])),
    linkBreak: some(0.6, random.pick([0.01, 0.03, 0.08])),
    helloBreak: some(0.4, random.pick([0.1, 0.5])),
    repeat: some(0.5, 0.15),
    hintLoss: some(0.5, random.pick([0.1, 0.6])),
    calmMs: random.pick([500, 1_500, 4_000, 60_000]),
    delayMs: random.pick([0.5, 5, 60]),
    slowness: random.pick([1, 1, 5, 25]),
    longWork: random.pick([0.03, 0.1, 0.5]),
    cancel: random.pick([0.05, 0.2, 0.4]),
    outageMs: some(0.12, random.pick([1_000, 10_000, 40_000])),
    scheduleToStartMs: random.chance(0.25) ? 1_500 : null,
  };
}

export class Chaos {
  readonly weather: Weather;
  /** Off until everything is set up, and when the run is to come to rest. */
  active = false;
  readonly #random: Random;

  constructor(random: Random, fixed: Partial<Weather>) {
    this.#random = random;
    this.weather = { ...weatherOf(random), ...fixed };
  }

  cut(): Cut {
    if (!this.active || !this.#random.chance(this.weather.cut)) return 'none';
    return this.#random.chance(0.4) ? 'request' : 'reply';
  }

  breaksLink(): boolean {
    return this.active && this.#random.chance(this.weather.linkBreak);
  }

  outage(nowMs: number): boolean {
    return this.active && nowMs < this.weather.outageMs;
  }

  breaksHello(): boolean {
    return this.active && this.#random.chance(this.weather.helloBreak);
  }

  repeats(): boolean {
    return this.active && this.#random.chance(this.weather.repeat);
  }

  losesHint(): boolean {
    return this.active && this.#random.chance(this.weather.hintLoss);
  }

  slowness(): number {
    return this.active ? this.weather.slowness : 1;
  }

  delayMs(): number {
    return 0.1 + this.#random.next() * (this.active ? this.weather.delayMs : 0.5);
  }
}
