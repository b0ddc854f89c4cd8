import manifest from '../package.json' with { type: 'json' };

export const WORKER_VERSION: string = manifest.version;
