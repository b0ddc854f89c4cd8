import { describe, expect, it } from 'vitest';
import { parseWorkerConfig } from './config.ts';

describe('parseWorkerConfig', () => {
  it('has the documented defaults', () => {
    expect(parseWorkerConfig({})).toEqual({
      grpc: { addresses: ['127.0.0.1:9001'] },
      workerGroup: '',
      maxTasks: 50,
      maxModelWaits: 200,
      drainTimeoutMs: 60_000,
      connectTimeoutMs: 30_000,
      driverModules: [],
      capabilityModules: [],
      followsParent: false,
      logLevel: 'info',
      egressAllow: '',
      toolEnv: {},
    });
  });

  it('takes everything from its variables, empty ones counting as unset', () => {
    expect(
      parseWorkerConfig({
        WORKER_GRPC_ADDRESS: 'a:9001, [::1]:9002',
        WORKER_GRPC_AUTH_TOKEN: 'secret',
        WORKER_GRPC_CONNECT_TIMEOUT: '60',
        WORKER_ID: 'w1',
        WORKER_GROUP: 'eu',
        MAX_CONCURRENT_TASKS: '7',
        MAX_CONCURRENT_MODEL_WAITS: '9',
        WORKER_DRAIN_TIMEOUT_SECS: '0',
        EVERRUNS_DRIVER_MODULES: './driver.ts,pkg',
        EVERRUNS_CAPABILITY_MODULES: ' ./a.ts , ',
        EVERRUNS_PARENT_PIPE: '1',
        WORKER_GRPC_TLS_DOMAIN: '',
        DOCKER_HOST: 'unix:///var/run/docker.sock',
      }),
    ).toMatchObject({
      dockerHost: 'unix:///var/run/docker.sock',
      grpc: { addresses: ['a:9001', '[::1]:9002'], token: 'secret' },
      workerId: 'w1',
      workerGroup: 'eu',
      maxTasks: 7,
      maxModelWaits: 9,
      drainTimeoutMs: 0,
      connectTimeoutMs: 60_000,
      driverModules: ['./driver.ts', 'pkg'],
      capabilityModules: ['./a.ts'],
      followsParent: true,
    });
  });

  it.each([
    [{}, ''],
    [{ DEPLOYMENT_GRADE: 'dev' }, '127.0.0.0/8,::1/128'],
    [{ DEV_MODE: 'true' }, '127.0.0.0/8,::1/128'],
    [{ DEV_MODE: '1', DEPLOYMENT_GRADE: 'prod' }, ''],
    [{ DEPLOYMENT_GRADE: 'dev', EGRESS_ALLOW: 'none' }, 'none'],
    [{ EGRESS_ALLOW: 'provider=10.0.0.0/8' }, 'provider=10.0.0.0/8'],
  ])('with %j lets outbound requests beyond the public network reach %j', (env, expected) =>
    expect(parseWorkerConfig(env).egressAllow).toBe(expected),
  );

  it('shows tools the way to the network and the language, and none of its own credentials', () => {
    expect(parseWorkerConfig({ PATH: '/bin', TZ: 'UTC', WORKER_GRPC_AUTH_TOKEN: 'secret', OPENAI_API_KEY: 'sk' }).toolEnv).toEqual({
      PATH: '/bin',
      TZ: 'UTC',
    });
  });

  it('names every problem at once', () => {
    expect(() =>
      parseWorkerConfig({
        WORKER_GRPC_ADDRESS: 'http://a:1',
        MAX_CONCURRENT_TASKS: '0',
        WORKER_DRAIN_TIMEOUT_SECS: '-1',
        DOCKER_HOST: 'ssh://box',
        LOG_LEVEL: 'loud',
      }),
    ).toThrow(
      /^Wrong settings: .*WORKER_GRPC_ADDRESS: must be host:port.*MAX_CONCURRENT_TASKS: must be at least 1.*WORKER_DRAIN_TIMEOUT_SECS: must be a whole number.*DOCKER_HOST: must be unix:.*LOG_LEVEL/,
    );
  });
});
