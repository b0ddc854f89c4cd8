import { defineDriver } from '../driver.ts';

const silent = { stream: async function* () {} };

/** A module as the configuration of a worker may name it. */
export const drivers = ['first', 'second'].map((id) => defineDriver({ id, create: () => silent }));
