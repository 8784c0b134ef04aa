// Sharing through a real Redis, nodes without a proxy around them: who hears whom, how a new one catches up, and what becomes of
// rubbish, lost data and a fleet that is larger than its bounds.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { nowMs } from '../../../src/clock.ts';
import { redisOf } from '../../../src/control/config/redis.ts';
import { createEventLog } from '../../../src/control/events.ts';
import { RedisLink } from '../../../src/control/redis/link.ts';
import { nameOf, readName, worthReading } from '../../../src/control/share/nearby.ts';
import { type DigestResult, Share } from '../../../src/control/share/share.ts';
import type { SharedCohort, SharedEndpoint } from '../../../src/core/share/digest.ts';
import type { LatLon } from '../../../src/core/snapshot.ts';
import { startRedisCluster } from '../../support/redis.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import { until } from '../../support/until.ts';

const endpoint = (key: number, more: Partial<SharedEndpoint> = {}): SharedEndpoint => ({
  key,
  state: 'healthy',
  reason: null,
  ageMs: 0,
  networkMs: 20,
  serverMs: 6,
  baseMs: 5,
  offsetMs: 3,
  inflight: 4,
  perS: 50,
  errorRatio: 0,
  samples: 100,
  ...more,
});

/** Faster than in life, slow enough for a busy machine. */
const TURN_MS = 400;

const nodes: { share: Share; link: RedisLink }[] = [];

function startNode(
  redis: Parameters<typeof redisOf>[0],
  name: string,
  endpoints: SharedEndpoint[],
  place: LatLon | null = null,
  countries: readonly SharedCohort[] = [],
) {
  const events = createEventLog({ level: 'silent' });
  const link = new RedisLink(redisOf(redis, '.', [], []), { events, clock: nowMs, random: Math.random });
  const results: DigestResult[] = [];
  const begun: SharedCohort[] = [];
  const share = new Share({
    link,
    events,
    clock: nowMs,
    random: Math.random,
    self: () => ({ node: name, region: 'aws:eu-central-1', place, probeIntervalMs: TURN_MS }),
    leastTurnMs: TURN_MS,
    shared: () => endpoints,
    countries: { shared: () => countries, beginWith: (told) => void begun.push(...told) },
    onDigest: (result) => results.push(result),
  });
  share.start();
  nodes.push({ share, link });
  return {
    share,
    link,
    events,
    results,
    begun,
    endpoints,
    knows: (key: number) => share.peers.opinionOf(key, null, nowMs()),
  };
}

afterEach(async () => {
  for (const { share, link } of nodes.splice(0)) {
    await share.stop();
    link.destroy();
  }
});

describe('through one Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  beforeEach(() => redis.client.flushall());
  afterAll(() => redis[Symbol.asyncDispose]());

  test('nodes hear each other, and what changes; a node that leaves is forgotten at once', async () => {
    const a = startNode(redis.url, 'a', [endpoint(1), endpoint(2)]);
    const b = startNode(redis.url, 'b', []);
    await until(() => b.knows(1)?.nodes === 1 && b.knows(2)?.inflight, 'both endpoints');
    a.endpoints[1] = endpoint(2, { state: 'ejected', reason: 'connect' });
    await until(() => b.knows(2)?.out === 1, 'the ejection');
    await until(() => a.share.view().nodes.some(({ node }) => node === 'b'), 'the other one heard');
    const seen = await until(() => b.share.view().nodes[0], 'the first one heard');
    expect(seen).toMatchObject({ node: 'a', endpoints: 2, isNear: true });
    await a.share.stop();
    await until(() => b.knows(1) === null, 'its leaving');
    expect(await redis.client.zcard('fermat:{fleet}:nodes')).toBe(1);
  });

  test('a new node knows what the others do as soon as it is ready, before anybody tells it', async () => {
    startNode(redis.url, 'a', [endpoint(1)], null, [{ cohort: 17477, endpoint: 1, ln: 0.5, count: 12 }]);
    await until(async () => (await redis.client.zcard('fermat:{fleet}:nodes')) === 1, 'the first node');
    const b = startNode(redis.url, 'b', []);
    const startedMs = nowMs();
    await b.share.ready();
    expect(b.knows(1)?.networkMs).toBeCloseTo(20, 1);
    expect(b.begun[0]).toEqual({ cohort: 17477, endpoint: 1, ln: 0.5, count: 12 });
    expect(nowMs() - startedMs).toBeLessThan(1500);
  });

  test('what it keeps in Redis is gone three turns after the node is', async () => {
    const a = startNode(redis.url, 'a', [endpoint(1)]);
    const key = await until(async () =>
      (await redis.client.keys('fermat:{fleet}:*')).find((k) => /[0-9a-f]{16}$/.test(k)),
    );
    const ttlMs = await redis.client.pttl(key);
    expect(ttlMs).toBeGreaterThan(0);
    expect(ttlMs).toBeLessThanOrEqual(TURN_MS * 3);
    a.link.destroy();
    await until(async () => (await redis.client.exists(key)) === 0, 'the end of what it kept');
  });

  test('rubbish on the channel is counted, told of once, and hides nothing', async () => {
    const a = startNode(redis.url, 'a', [endpoint(1)]);
    const b = startNode(redis.url, 'b', []);
    await until(() => b.knows(1));
    for (let i = 0; i < 20; i++)
      await redis.client.publish('fermat:fleet', '{"some":"json of somebody else, long enough"}');
    await redis.client.publish('fermat:fleet', Buffer.alloc(1_000_000, 7));
    await until(() => b.results.filter((result) => result === 'foreign').length === 21, 'the rubbish');
    expect(b.events.recent().filter(({ type }) => type === 'share.unreadable')).toHaveLength(1);
    const heard = b.results.filter((result) => result === 'ok').length;
    await until(() => b.results.filter((result) => result === 'ok').length > heard + 1, 'more digests');
    await until(() => a.share.peers.size === 1, 'the other one, still heard');
  });

  test('other types and giants at our keys are passed over, and replaced', async () => {
    const a = startNode(redis.url, 'a', [endpoint(1)]);
    const kept = async () => (await redis.client.keys('fermat:{fleet}:*')).filter((k) => /[0-9a-f]{16}$/.test(k));
    const [key] = await until(async () => ((await kept()).length === 1 ? kept() : null), 'the first digest');
    await redis.client.del(key!);
    await redis.client.hset(key!, 'what', 'ever');
    await redis.client.set('fermat:{fleet}:nodes', 'x'.repeat(5_000_000));
    const b = startNode(redis.url, 'b', []);
    await b.share.ready();
    await until(() => b.knows(1), 'what the node tells');
    await until(async () => (await redis.client.type('fermat:{fleet}:nodes')) === 'zset', 'the list made anew');
    await until(async () => (await redis.client.type(key!)) === 'string', 'the digest made anew');
    expect(a.events.recent().filter(({ type }) => type === 'redis.error')).toEqual([]);
  });

  test('after a loss of everything nodes find each other again', async () => {
    startNode(redis.url, 'a', [endpoint(1)]);
    const b = startNode(redis.url, 'b', []);
    await until(() => b.knows(1));
    await redis.kill();
    await until(() => b.share.peers.size === 0, 'the end of what was heard', 8000);
    expect(b.knows(1)).toBeNull();
    await redis.start();
    await until(() => b.knows(1), 'what is heard again', 15_000);
  }, 30_000);

  test('of many endpoints no more is told at once than all nodes together may send', async () => {
    const many = Array.from({ length: 4096 }, (_, key) => endpoint(key));
    const a = startNode(redis.url, 'a', many);
    const b = startNode(redis.url, 'b', []);
    await until(() => b.share.view().nodes[0]?.endpoints === 4096, 'all endpoints', 10_000);
    const sent = a.link.bytes.sent;
    const seconds = 2;
    const startedMs = nowMs();
    while (nowMs() - startedMs < seconds * 1000) {
      for (const [i, e] of many.entries()) many[i] = { ...e, inflight: (e.inflight + 40) % 400 };
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    // Half of what a node may be sent, and everything every other turn, which is kept and not sent to anybody.
    expect((a.link.bytes.sent - sent) / seconds).toBeLessThan(32 * 1024 + (4096 * 24 * 1.5) / ((2 * TURN_MS) / 1000));
    expect((b.link.bytes.received - 0) / seconds).toBeLessThan(200 * 1024);
  }, 20_000);
});

test('in a Redis Cluster it is the same', async () => {
  await using cluster = await startRedisCluster();
  const config = { nodes: [`127.0.0.1:${cluster.ports[1]}`], cluster: true } as unknown as Parameters<
    typeof redisOf
  >[0];
  startNode(config, 'a', [endpoint(1)]);
  const b = startNode(config, 'b', []);
  await until(() => b.knows(1), 'the other node', 15_000);
}, 40_000);

describe('names of nodes', () => {
  test('carry the place, and nothing else is one', () => {
    const name = { instance: '00000000000000aa', place: { latDeg: -33.86, lonDeg: 151.2 } };
    expect(readName(nameOf(name))).toEqual({ ...name, place: { latDeg: -33.9, lonDeg: 151.2 } });
    expect(readName(nameOf({ ...name, place: null }))).toEqual({ ...name, place: null });
    for (const text of ['', 'x', '00000000000000AA', '00000000000000aa:1:2', `${'0'.repeat(17)}`])
      expect(readName(text)).toBeNull();
  });

  test('the nearest eight are read first, and four of the rest', () => {
    const self = { instance: 'f'.repeat(16), place: { latDeg: 0, lonDeg: 0 } };
    const names = Array.from({ length: 100 }, (_, i) =>
      nameOf({ instance: i.toString(16).padStart(16, '0'), place: { latDeg: 0, lonDeg: i } }),
    );
    const read = worthReading([...names, nameOf(self), 'rubbish'], self, Math.random);
    expect(read).toHaveLength(12);
    expect(read.slice(0, 8).map((instance) => Number.parseInt(instance, 16))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(new Set(read).size).toBe(12);
  });
});
