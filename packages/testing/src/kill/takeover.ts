import { setTimeout as sleep } from 'node:timers/promises';
import { playWithStrike } from './run.ts';
import type { ClusterServer, ClusterWorker } from '../cluster.ts';
import type { RunResult } from './run.ts';
import type { Scenario } from './scenarios.ts';
import type { Stage } from './stage.ts';

/** A turn that is always in the hands of exactly one worker: streaming, one tool, streaming. */
const WORK: Scenario = {
  name: 'takeover',
  title: 'one worker at a time',
  turns: ({ run, effectsUrl }) => [
    {
      text: 'First some words that come one after the other, then something to do.',
      delay_ms: 40,
      chunk_delay_ms: 40,
      tool_calls: [
        {
          id: `readonly-${run}`,
          name: 'test_effect_readonly',
          arguments: { url: `${effectsUrl}/effects?delay_ms=180`, effect_id: `readonly-${run}` },
        },
      ],
    },
    { text: 'And at the end some more words, which take their time too.', delay_ms: 40, chunk_delay_ms: 40 },
  ],
  expect: ({ run }) => ({
    turnEnd: 'turn.completed',
    finalText: 'And at the end some more words, which take their time too.',
    calls: [{ callId: `readonly-${run}`, side: 'server', effect: 'readonly', effectId: `readonly-${run}` }],
  }),
};

/** Undisturbed turns to measure: in the first ones, threads and caches are still cold. */
const MEASURED = 3;

/** From the beginning of an undisturbed turn to its end, at its shortest: a kill within that time meets a running turn. */
export async function turnLengthMs(stage: Stage): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let run = 1; run <= MEASURED; run++) {
    const { record } = await playWithStrike(stage, WORK, async () => ({ at: 0, victim: 'none', holderLost: false }));
    const at = (type: string): number => Date.parse(record.log.find((event) => event.type === type)?.ts ?? '');
    shortest = Math.min(shortest, at('turn.completed') - at('turn.started'));
  }
  return shortest;
}

/** Kills the worker that holds the turn `afterMs` after its start with SIGKILL; another one must go on. */
export async function playTakeover(stage: Stage, afterMs: number): Promise<RunResult> {
  return playWithStrike(stage, WORK, async (stream) => {
    const started = await stream.first((event) => event.type === 'turn.started', 10_000);
    const leftMs = started === null ? 0 : afterMs - (Date.now() - started.receivedMs);
    await sleep(Math.max(0, leftMs));
    const { workers, servers } = stage.cluster;
    const holder = workers.reduce<ClusterWorker | undefined>(
      (latest, worker) => (assignedAt(worker) > assignedAt(latest) ? worker : latest),
      undefined,
    );
    return stage.marksman.strike('worker', { worker: holder, server: servers[0] as ClusterServer });
  });
}

/** The worker that was given something last. Between runs nothing is given, so this is the one with the turn. */
function assignedAt(worker: ClusterWorker | undefined): number {
  return worker === undefined ? -1 : Math.max(...worker.links.map((link) => link.assignedAtMs));
}
