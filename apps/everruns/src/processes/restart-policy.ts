/** How often a process has ended shortly after its start, in a row. */
export interface RestartState {
  quickEnds: number;
}

export const FIRST_START: RestartState = { quickEnds: 0 };

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
/** A process that lived for this long was well: what ended it is a new story. */
const SOUND_AFTER_MS = 30_000;

/** When to start a process again that has just ended: 100 ms, then twice as long each time up to 10 s. */
export function nextRestart(state: RestartState, uptimeMs: number): { delayMs: number; state: RestartState } {
  const quickEnds = uptimeMs >= SOUND_AFTER_MS ? 0 : state.quickEnds;
  return { delayMs: Math.min(FIRST_DELAY_MS * 2 ** quickEnds, MAX_DELAY_MS), state: { quickEnds: quickEnds + 1 } };
}
