// Registrations that a fleet shares through a real Redis: what one edge is told all know, and Redis can do what it likes.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { SIGNATURE_FIELD, signatureOf, TIMESTAMP_FIELD } from '../../src/control/discovery/signing.ts';
import { type Config, type Fermat, startFermat } from '../support/fermat.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { type Named, startNamed } from '../support/steady.ts';
import { until } from '../support/until.ts';

const TOKEN = '0123456789abcdef';

let redis: RedisServer;
let edges: Fermat[];
let origins: Named[];

const configOf = (): Config => ({
  state: { redis: redis.url },
  pools: {
    shop: {
      discover: [{ registry: { token: TOKEN } }],
      probe: { type: 'tcp' },
      balance: { policy: 'round-robin', slowStart: '0s' },
    },
  },
  routes: [{ pool: 'shop' }],
});

beforeAll(async () => {
  redis = await startRedis();
  origins = await Promise.all(['a', 'b', 'c'].map((name) => startNamed(name)));
  edges = await Promise.all([0, 1].map(() => startFermat(configOf(), { isUnready: true })));
}, 40_000);
afterAll(async () => {
  await Promise.all((edges ?? []).map((edge) => edge.stop()));
  await Promise.all(origins.map((origin) => origin.close()));
  await redis[Symbol.asyncDispose]();
});

let last = 0;

async function say(edge: Fermat, action: 'register' | 'deregister', body: unknown): Promise<number> {
  last = Math.max(Date.now(), last + 1);
  const path = `/api/v1/${action}/shop`;
  const text = JSON.stringify(body);
  const signature = signatureOf(TOKEN, { method: 'POST', path, atMs: last, body: text });
  const headers = { [TIMESTAMP_FIELD]: String(last), [SIGNATURE_FIELD]: signature };
  return (await edge.admin(path, { method: 'POST', body: text, headers })).status;
}

async function urls(edge: Fermat): Promise<string> {
  const endpoints = (await edge.json<unknown>('/api/v1/endpoints')) as { url: string }[];
  return endpoints
    .map(({ url }) => url)
    .sort()
    .join();
}

const known = (edge: Fermat, ...all: Named[]): Promise<unknown> => {
  const wanted = all
    .map(({ url }) => url)
    .sort()
    .join();
  return until(async () => (await urls(edge)) === wanted, `the endpoints ${wanted}`, 10_000);
};

it('what one edge is told, another serves; a third that starts later, too; and a goodbye reaches all', async () => {
  const [one, two] = edges as [Fermat, Fermat];
  const [a, b] = origins as [Named, Named];
  expect(await say(one, 'register', { url: a.url, ttl: '60s' })).toBe(200);
  await known(two, a);
  await until(async () => (await (await fetch(`http://127.0.0.1:${two.port}/`)).text()) === 'a', 'its answer');
  expect(await say(two, 'register', { url: b.url, ttl: '60s' })).toBe(200);
  await known(one, a, b);

  const three = await startFermat(configOf(), { isUnready: true });
  edges.push(three);
  await known(three, a, b);
  expect(await say(one, 'deregister', { url: a.url })).toBe(200);
  for (const edge of edges) await known(edge, b);
  await edges.pop()!.stop();
}, 60_000);

it('Redis full of what is not ours, killed and empty again loses nobody', async () => {
  const [one, two] = edges as [Fermat, Fermat];
  const [, b, c] = origins as [Named, Named, Named];
  await known(two, b);
  const path = '/api/v1/register/shop';
  const foreign = [
    path,
    String(Date.now()),
    signatureOf('another-token-of-ours', { method: 'POST', path, atMs: Date.now(), body: '{}' }),
    '{}',
  ];
  await redis.client.publish('fermat:registrations', 'no JSON at all');
  await redis.client.publish('fermat:registrations', JSON.stringify([foreign, 7, ['x']]));
  await until(() => two.events.some(({ type }) => type === 'discovery.foreign'), 'the complaint');
  await redis.kill();
  expect(await say(one, 'register', { url: c.url, ttl: '60s' })).toBe(200);
  await known(one, b, c);
  await known(two, b);
  await redis.start();
  await redis.client.hset('fermat:{registrations-shop}', { x: 'garbage' });
  // The next heartbeat finds Redis again.
  await until(
    async () => {
      await say(one, 'register', { url: c.url, ttl: '60s' });
      return (await urls(two)) === [b.url, c.url].sort().join();
    },
    'what was said meanwhile',
    20_000,
  );
  for (const edge of edges) expect(edge.events.filter(({ level }) => level === 'error')).toEqual([]);
}, 60_000);
