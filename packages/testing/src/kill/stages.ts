import { openStage } from './stage.ts';
import type { Scenario } from './scenarios.ts';
import type { Stage } from './stage.ts';

type Wanted = Pick<Scenario, 'servers'>;

/** A stage for each number of servers that scenarios ask for. */
export interface Stages {
  of(scenario: Wanted): Stage;
  stop(): Promise<void>;
}

export async function openStages(scenarios: readonly Wanted[]): Promise<Stages> {
  const open = new Map<number, Stage>();
  const stop = async (): Promise<void> => void (await Promise.all([...open.values()].map((stage) => stage.stop())));
  try {
    for (const servers of new Set([1, ...scenarios.map(serversOf)])) open.set(servers, await openStage({ servers, crowded: true }));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    of: (scenario) => {
      const stage = open.get(serversOf(scenario));
      if (stage === undefined) throw new Error(`No stage with ${serversOf(scenario)} servers is open.`);
      return stage;
    },
    stop,
  };
}

/** A stage that is there already, for scenarios that ask for it. */
export function stagesOf(stage: Stage): Stages {
  return { of: () => stage, stop: () => stage.stop() };
}

function serversOf({ servers = 1 }: Wanted): number {
  return servers;
}
