export type { FilePlace, FileWriter, WriteVerdict } from './place.ts';
export type { FileRow } from './rows.ts';
export * from './read.ts';
export * from './write.ts';
export * from './relocate.ts';
export { grepFiles } from './grep.ts';
export type { GrepFound, GrepMatch, GrepQuery } from './grep.ts';
export * from './seed.ts';
export * from './workspaces.ts';
