export { loadTurnConfig } from './turn-config.ts';
export type { ModelCandidate, TurnConfig, TurnConfigKey } from './turn-config.ts';
