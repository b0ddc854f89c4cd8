import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Simulation } from './testing/simulation.suite.ts';
import type { SimulationOptions } from './testing/simulation.suite.ts';

/** A fixed sample; `STREAM_SIMULATIONS` makes a run of that many new ones. */
const WANTED = process.env['STREAM_SIMULATIONS'];
const RUNS = Number(WANTED ?? 40);

const scenario = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  instances: fc.integer({ min: 1, max: 4 }),
  clients: fc.integer({ min: 1, max: 6 }),
  turns: fc.integer({ min: 1, max: 12 }),
  lostHints: fc.constantFrom(0, 0.05, 0.3),
  disasterMs: fc.constantFrom(1_500, 5_000, 1_000_000),
});

async function run(options: SimulationOptions): Promise<Simulation> {
  const simulation = new Simulation(options);
  await simulation.run();
  return simulation;
}

it(
  'serves every durable event once and in order and each character once, whatever is lost on the way',
  async () => {
    const sums = { connections: 0, deltas: 0, compared: 0, restarts: 0 };
    await fc.assert(
      fc.asyncProperty(scenario, async (options) => {
        const simulation = await run(options);
        expect(simulation.problems).toEqual([]);
        for (const { record, sessionId, connections } of simulation.clients) {
          expect(record.problems).toEqual([]);
          const log = simulation.log.events(sessionId);
          if (record.lastSequence !== null) expect(record.lastSequence).toBe(log.length);
          expect(record.durable.map((event) => event.id)).toEqual(log.slice(log.length - record.durable.length).map((event) => event.id));
          sums.connections += connections;
          sums.deltas += record.deltas;
          sums.compared += record.compared;
          sums.restarts += record.restarts;
        }
      }),
      WANTED === undefined ? { numRuns: RUNS, seed: 20_270_115 } : { numRuns: RUNS },
    );
    console.log(`simulated ${RUNS} runs: ${JSON.stringify(sums)}`);
    expect(sums.compared).toBeGreaterThan(RUNS);
  },
  Math.max(60_000, RUNS * 200),
);
