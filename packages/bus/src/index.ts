export { createBus } from './bus.ts';
export type { Bus, BusOptions, HintTransport } from './bus.ts';
export type { Hint, Note, TextHint } from './hint.ts';
export { createLocalExchange } from './local.ts';
export type { LocalExchange } from './local.ts';
export { postgresTransport } from './postgres.ts';
export type { HintChannel } from './postgres.ts';
