export * from './ids.ts';
export * from './event-id.ts';
export * from './errors.ts';
export * from './messages.ts';
export * from './events.ts';
export * from './work.ts';
export * from './link.ts';
export * from './api/index.ts';
