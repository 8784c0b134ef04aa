// The link to Redis against real servers: what callers see when Redis is there, hangs, dies, comes back, refuses, or is another.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nowMs } from '../../../src/clock.ts';
import { type RedisConfig, redisOf } from '../../../src/control/config/redis.ts';
import { createEventLog } from '../../../src/control/events.ts';
import { type CallResult, RedisLink } from '../../../src/control/redis/link.ts';
import { script } from '../../../src/control/redis/script.ts';
import { Pki } from '../../support/pki.ts';
import { cli, startRedisCluster, startSentinel } from '../../support/redis.ts';
import { freePort, type RedisServer, startRedis } from '../../support/redis-server.ts';
import { until } from '../../support/until.ts';

const links: RedisLink[] = [];
afterEach(() => {
  for (const link of links.splice(0)) link.destroy();
});

function linkTo(config: RedisConfig | null) {
  const events = createEventLog({ level: 'silent' });
  const calls: { what: string; result: CallResult; ms: number }[] = [];
  const meter = { called: (what: string, result: CallResult, ms: number) => void calls.push({ what, result, ms }) };
  const link = new RedisLink(config, { events, clock: nowMs, random: Math.random, meter });
  links.push(link);
  return { link, calls, types: () => events.recent().map(({ type }) => type), events };
}

function configOf(given: Parameters<typeof redisOf>[0]): RedisConfig {
  return redisOf(given, '.', [], [])!;
}

const urlOf = (port: number, timeout = '500ms') =>
  configOf({ url: `redis://127.0.0.1:${port}`, timeout } as Parameters<typeof redisOf>[0]);

describe('with one server', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  test('answers calls, counts them and the bytes, and says once that Redis is there', async () => {
    const { link, calls, types } = linkTo(urlOf(redis.port));
    await until(() => link.isUp);
    expect(await link.call('set', (r) => r.set(link.key('a', 'b'), 'x'))).toBe('OK');
    expect(cli(redis.port, 'get', 'fermat:{a}:b')).toBe('x');
    expect(calls).toEqual([{ what: 'set', result: 'ok', ms: expect.any(Number) }]);
    expect(link.bytes.sent).toBeGreaterThan(30);
    expect(link.bytes.received).toBeGreaterThan(4);
    expect(types()).toEqual(['redis.up']);
  });

  test('runs a script by its digest, also when the server has forgotten it', async () => {
    const { link } = linkTo(urlOf(redis.port));
    await until(() => link.isUp);
    const add = script("return redis.call('incrby', KEYS[1], ARGV[1])");
    expect(await link.script('add', add, [link.key('n')], [2])).toBe(2);
    cli(redis.port, 'script', 'flush');
    expect(await link.script('add', add, [link.key('n')], [3])).toBe(5);
  });

  test('a refusal is undefined, is told once, and is no reason to ask no more', async () => {
    const { link, calls, events } = linkTo(urlOf(redis.port));
    await until(() => link.isUp);
    cli(redis.port, 'set', 'fermat:{w}', 'text');
    for (let i = 0; i < 5; i++) expect(await link.call('read', (r) => r.hgetall(link.key('w')))).toBeUndefined();
    expect(calls.map(({ result }) => result)).toEqual(Array(5).fill('error'));
    expect(link.isUp).toBe(true);
    const told = events.recent().filter(({ type }) => type === 'redis.error');
    expect(told.map(({ message }) => message)).toEqual([expect.stringContaining('WRONGTYPE')]);
  });

  test('hears what is published, from when onGap says so, until it is ended', async () => {
    const { link } = linkTo(urlOf(redis.port));
    const heard: string[] = [];
    let gaps = 0;
    const end = link.subscribe(
      'news',
      (message) => heard.push(message.toString()),
      () => gaps++,
    );
    await until(() => gaps === 1);
    cli(redis.port, 'publish', 'fermat:news', 'one');
    await until(() => heard.length === 1);
    end();
    await until(() => cli(redis.port, 'publish', 'fermat:news', 'two') === '0');
    expect(heard).toEqual(['one']);
  });

  test('without Redis every call is undefined, and nothing is counted', async () => {
    const { link, calls, types } = linkTo(null);
    expect(await link.call('get', (r) => r.get('x'))).toBeUndefined();
    expect([link.isUp, link.isConfigured, calls, types()]).toEqual([false, false, [], []]);
  });
});

describe('when Redis fails', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  test('killed: calls are undefined at once; back again: they are answered, and who listens is told of the gap', async () => {
    const { link, calls, types } = linkTo(urlOf(redis.port));
    let gaps = 0;
    link.subscribe(
      'news',
      () => {},
      () => gaps++,
    );
    await until(() => link.isUp && gaps === 1);
    await redis.kill();
    await until(() => !link.isUp);
    const startedMs = nowMs();
    expect(await link.call('get', (r) => r.get('x'))).toBeUndefined();
    expect(nowMs() - startedMs).toBeLessThan(100);
    expect(calls.at(-1)?.result).toBe('away');
    await redis.start();
    await until(() => link.isUp && gaps === 2, 'Redis', 15_000);
    expect(await link.call('get', (r) => r.get('x'))).toBeNull();
    expect(types()).toEqual(['redis.up', 'redis.down', 'redis.up']);
  });

  test('paused: a few calls wait for their time-out, then none is made; resumed: it is asked again', async () => {
    const { link, calls, types } = linkTo(urlOf(redis.port, '100ms'));
    await until(() => link.isUp);
    redis.pause();
    for (let i = 0; i < 20; i++) await link.call('get', (r) => r.get('x'));
    redis.resume();
    const results = calls.filter(({ what }) => what === 'get').map(({ result }) => result);
    expect(results.slice(0, 3)).toEqual(['timeout', 'timeout', 'timeout']);
    expect(results.at(-1)).toBe('away');
    await until(() => link.isUp, 'Redis', 15_000);
    expect(await link.call('get', (r) => r.get('x'))).toBeNull();
    expect(types()).toEqual(['redis.up', 'redis.down', 'redis.up']);
  });

  test('not there at the start: says so once, and goes on trying', async () => {
    await redis.kill();
    const { link, types } = linkTo(urlOf(redis.port));
    await until(() => types().length === 1);
    expect(await link.call('get', (r) => r.get('x'))).toBeUndefined();
    await redis.start();
    await until(() => link.isUp, 'Redis', 15_000);
    expect(types()).toEqual(['redis.down', 'redis.up']);
  });

  test('no more than 256 calls are under way, the rest is turned away', async () => {
    const { link, calls } = linkTo(urlOf(redis.port, '200ms'));
    await until(() => link.isUp);
    redis.pause();
    await Promise.all(Array.from({ length: 300 }, () => link.call('get', (r) => r.get('x'))));
    redis.resume();
    expect(calls.filter(({ result }) => result === 'busy')).toHaveLength(44);
    await until(() => link.isUp, 'Redis', 15_000);
  });
});

test('a server that has become a replica is connected to ever more seldom, until it is one no more', async () => {
  await using master = await startRedis();
  await using redis = await startRedis();
  const { link, calls, types } = linkTo(urlOf(redis.port));
  await until(() => link.isUp);
  await redis.client.replicaof('127.0.0.1', master.port);
  const write = () => link.call('write', (r) => r.set(link.key('a'), 'x'));
  const timer = setInterval(write, 20);
  try {
    await until(() => calls.filter(({ result }) => result !== 'away').length > 5, 'refusals', 20_000);
    const before = types().length;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    // Without pauses that grow, it would be some fifty.
    expect(types().length - before).toBeLessThan(16);
    await redis.client.replicaof('NO', 'ONE');
    await until(async () => (await write()) === 'OK', 'a write to be done', 20_000);
  } finally {
    clearInterval(timer);
  }
});

test('another configuration: the old connections end, subscriptions go on with the new Redis', async () => {
  await using one = await startRedis();
  await using two = await startRedis('--requirepass', 'hush');
  const { link } = linkTo(urlOf(one.port));
  const heard: string[] = [];
  let gaps = 0;
  link.subscribe(
    'news',
    (message) => heard.push(message.toString()),
    () => gaps++,
  );
  await until(() => link.isUp && gaps === 1);
  link.use(configOf(`redis://:hush@127.0.0.1:${two.port}`));
  await until(() => link.isUp && gaps === 2);
  await link.call('publish', (r) => r.publish(link.channel('news'), 'two'));
  await until(() => heard.length === 1);
  await until(() => cli(one.port, 'client', 'list').split('\n').length === 1);
  link.use(null);
  expect([link.isUp, link.isConfigured]).toEqual([false, false]);
});

test('a Cluster of three: keys of many tags, scripts on one tag, and messages from any server', async () => {
  await using cluster = await startRedisCluster();
  const nodes = cluster.ports.slice(0, 1).map((port) => `127.0.0.1:${port}`);
  const { link } = linkTo(configOf({ nodes, cluster: true } as unknown as Parameters<typeof redisOf>[0]));
  const heard: string[] = [];
  let gaps = 0;
  link.subscribe(
    'news',
    (message) => heard.push(message.toString()),
    () => gaps++,
  );
  await until(() => link.isUp && gaps === 1, 'Redis', 15_000);
  const tags = Array.from({ length: 20 }, (_, i) => `t${i}`);
  const set = await Promise.all(tags.map((tag) => link.call('set', (r) => r.set(link.key(tag), tag))));
  expect(set).toEqual(tags.map(() => 'OK'));
  const both = script("return redis.call('mset', KEYS[1], 'a', KEYS[2], 'b')");
  expect(await link.script('both', both, [link.key('x', '1'), link.key('x', '2')], [])).toBe('OK');
  for (const port of cluster.ports) cli(port, 'publish', 'fermat:news', String(port));
  await until(() => heard.length === 3);
}, 30_000);

test('the master is found by Sentinels', async () => {
  await using redis = await startRedis();
  await using sentinel = await startSentinel(redis);
  const given = { sentinel: { name: 'main', nodes: [`127.0.0.1:${sentinel.port}`], username: null, password: null } };
  const { link } = linkTo(configOf(given as Parameters<typeof redisOf>[0]));
  await until(() => link.isUp, 'Redis', 15_000);
  expect(await link.call('set', (r) => r.set('x', 'y'))).toBe('OK');
  expect(cli(redis.port, 'get', 'x')).toBe('y');
}, 30_000);

test('over TLS, with certificates of both sides; without ours it is away, and says why', async () => {
  using pki = new Pki();
  const server = pki.issue('server', { san: 'IP:127.0.0.1' });
  const port = await freePort();
  const files = ['--tls-cert-file', server.cert, '--tls-key-file', server.key, '--tls-ca-cert-file', server.cert];
  await using _redis = await startRedis('--tls-port', String(port), ...files);
  const tls = { ca: server.cert, cert: server.cert, key: server.key, serverName: null, verify: true };
  const url = `rediss://127.0.0.1:${port}`;
  const { link } = linkTo(configOf({ url, tls } as Parameters<typeof redisOf>[0]));
  await until(() => link.isUp);
  expect(await link.call('set', (r) => r.set('x', 'y'))).toBe('OK');
  expect(link.bytes.sent).toBeGreaterThan(50);
  const stranger = linkTo(configOf({ url } as Parameters<typeof redisOf>[0]));
  await until(() => stranger.types().includes('redis.down'));
  expect(stranger.events.recent()[0]?.message).toMatch(/certificate/i);
});
