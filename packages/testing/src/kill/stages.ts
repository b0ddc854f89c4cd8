import { openStage } from './stage.ts';
import type { Scenario } from './scenarios.ts';
import type { Stage } from './stage.ts';

type Wanted = Pick<Scenario, 'servers'>;

/** Stages with as many servers as a scenario asks for, opened when the first one does. */
export interface Stages {
  of(scenario: Wanted): Promise<Stage>;
  stop(): Promise<void>;
}

/** With `keepsAll`, what has been opened stays open; without, one stage gives way to the next. */
export function openStages({ keepsAll }: { keepsAll: boolean }): Stages {
  const open = new Map<number, Stage>();
  const stop = async (): Promise<void> => {
    const stages = [...open.values()];
    open.clear();
    await Promise.all(stages.map((stage) => stage.stop()));
  };
  return {
    async of({ servers = 1 }) {
      const known = open.get(servers);
      if (known !== undefined) return known;
      if (!keepsAll) await stop();
      const stage = await openStage({ servers, crowded: true });
      open.set(servers, stage);
      return stage;
    },
    stop,
  };
}

/** A stage that is there already, whatever a scenario asks for. */
export function stagesOf(stage: Stage): Stages {
  return { of: async () => stage, stop: () => stage.stop() };
}
