export * from './audit.ts';
export * from './organizations.ts';
export * from './members.ts';
export * from './invitations.ts';
export * from './departures.ts';
export * from './closed.ts';
export * from './personal-data.ts';
