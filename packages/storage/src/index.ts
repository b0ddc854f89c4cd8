export * from './database.ts';
export * from './migrate.ts';
export * from './resources/index.ts';
export * from './secrets/index.ts';
export * from './core/index.ts';
export * from './log/messages.ts';
export * from './log/turns.ts';
export * from './log/index.ts';
