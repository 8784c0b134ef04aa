// What the file says of Redis, as the link gets it.

import { expect, test } from 'vitest';
import { redisOf, redisProblems } from '../../../src/control/config/redis.ts';
import { fileSchema } from '../../../src/control/config/schema.ts';
import { parseRedisUrl } from '../../../src/control/config/values.ts';

const READY = { listeners: [{ address: ':80' }], routes: [{ respond: { status: 200 } }] };

/** Through the schema, as a file would. */
function configOf(redis: unknown) {
  const { state } = fileSchema.parse({ ...READY, state: { redis } });
  return redisOf(state.redis, '.', [], []);
}

test('a URL holds user, password, host, port, database and whether it is TLS', () => {
  expect(parseRedisUrl('redis://10.0.0.1')).toEqual({
    host: '10.0.0.1',
    port: 6379,
    username: null,
    password: null,
    db: null,
    isTls: false,
  });
  expect(parseRedisUrl('rediss://u%40x:p%3Aw@[fd00::1]:6380/3')).toEqual({
    host: 'fd00::1',
    port: 6380,
    username: 'u@x',
    password: 'p:w',
    db: 3,
    isTls: true,
  });
  expect(parseRedisUrl('redis://:pw@h')?.password).toBe('pw');
  for (const bad of [
    'http://h',
    'redis://',
    'redis://h:99999',
    'redis://h/x',
    'redis://h?a=b',
    'redis://u:%zz@h',
    'redis://h h',
  ])
    expect(parseRedisUrl(bad), bad).toBeNull();
});

test('a URL alone is one server with the defaults; rediss is TLS that verifies', () => {
  expect(configOf('rediss://h')).toMatchObject({
    mode: 'standalone',
    nodes: [{ host: 'h', port: 6379 }],
    tls: { ca: null, verify: true },
    prefix: 'fermat',
    timeoutMs: 500,
  });
  expect(configOf('redis://h')?.tls).toBeNull();
  expect(configOf(null)).toBeNull();
});

test('what stands beside a URL wins over it', () => {
  const config = configOf({
    url: 'redis://a:b@h/1',
    username: 'c',
    password: 'd',
    db: 2,
    timeout: '1s',
    prefix: 'shop',
  });
  expect(config).toMatchObject({ username: 'c', password: 'd', db: 2, timeoutMs: 1000, prefix: 'shop' });
});

test('a Cluster has nodes, Sentinels a name', () => {
  expect(configOf({ nodes: ['a:1', 'b:2'], cluster: true })).toMatchObject({
    mode: 'cluster',
    nodes: [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ],
  });
  expect(configOf({ sentinel: { name: 'm', nodes: ['s:26379'], password: 'x' } })).toMatchObject({
    mode: 'sentinel',
    sentinel: { name: 'm', username: null, password: 'x' },
  });
});

test('a time-out of more than ten seconds is none that anybody waits for', () => {
  expect(redisProblems({ url: 'redis://h', timeout: '10s' })).toEqual([]);
  expect(redisProblems({ url: 'redis://h', timeout: '11s' })).toMatchObject([{ what: 'too long' }]);
});
