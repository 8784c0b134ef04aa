// A limit of 1,000/s over four tables that are settled in a real Redis, each as a node does it. Requests come at the moments they
// are due, however late this process is; only Redis's clock and the settling are real, so a machine that is busy with other tests
// is given twice the 5 % that bench/fleet/limits.ts wants of real nodes.

import { describe, expect, test } from 'vitest';
import { nowMs } from '../../../src/clock.ts';
import { redisOf } from '../../../src/control/config/redis.ts';
import { createEventLog } from '../../../src/control/events.ts';
import { Settler } from '../../../src/control/limits/settler.ts';
import { RedisLink } from '../../../src/control/redis/link.ts';
import { KeyHash } from '../../../src/core/key-hash.ts';
import { newRateTable, RateTable, rateRule } from '../../../src/core/limit/table.ts';
import type { RateLimitSpec } from '../../../src/core/snapshot.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import { until } from '../../support/until.ts';

const RATE = 1000;
const BURST = 100;
const KEY = new KeyHash().of('route');
const LIMIT: RateLimitSpec = {
  index: 1,
  name: 'default',
  identity: 'all',
  ratePerS: RATE,
  burst: BURST,
  fillS: 1,
  key: { kind: 'route' },
  scope: 'fleet',
  onMissingKey: 'limit',
  redisDown: 'local',
  headers: false,
};
const RULE = rateRule(1, RATE, BURST, true);

class Node {
  readonly table = new RateTable(newRateTable());
  readonly link: RedisLink;
  readonly settler: Settler;
  readonly #timer: NodeJS.Timeout;

  constructor(url: string, limit = LIMIT) {
    const events = createEventLog({ level: 'silent' });
    this.link = new RedisLink(redisOf(url, '/', [], []), { events, clock: nowMs, random: Math.random });
    this.table.setRule(RULE);
    this.settler = new Settler(this.table, this.link, nowMs);
    this.settler.install(new Map([[1, limit]]));
    this.#timer = setInterval(() => this.settler.tick(), 100);
  }

  end(): void {
    clearInterval(this.#timer);
    this.link.destroy();
  }
}

/** Four nodes that know of each other. */
async function fleetOf(redis: RedisServer, limit = LIMIT): Promise<Node[] & Disposable> {
  const nodes = Array.from({ length: 4 }, () => new Node(redis.url, limit));
  const end = () => {
    for (const node of nodes) node.end();
  };
  await until(
    () => nodes.every(({ settler }) => settler.nodes === 4 && !settler.isAway),
    'four nodes to know of each other',
  );
  return Object.assign(nodes, { [Symbol.dispose]: end });
}

/** Asks each node `perS[n]` times a second for `seconds`. Gives what passed at each in the last `countedS`, per second. */
async function ask(
  nodes: readonly Node[],
  perS: readonly number[],
  seconds: number,
  countedS: number,
): Promise<number[]> {
  const startMs = nowMs();
  const asked = perS.map(() => 0);
  const passed = perS.map(() => 0);
  for (let atMs = 0; atMs < seconds * 1000; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    atMs = Math.min(nowMs() - startMs, seconds * 1000);
    for (const [n, { table }] of nodes.entries()) {
      for (; (asked[n]! * 1000) / perS[n]! < atMs; asked[n]!++) {
        const dueMs = (asked[n]! * 1000) / perS[n]!;
        if (table.take(RULE, KEY.hi, KEY.lo, startMs + dueMs) && dueMs >= (seconds - countedS) * 1000) passed[n]!++;
      }
    }
  }
  return passed.map((count) => count / countedS);
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

describe.concurrent('1,000/s over four nodes', () => {
  test('is let through and little more or less, however unevenly it is asked, and when that changes', async () => {
    await using redis = await startRedis();
    using nodes = await fleetOf(redis);
    const uneven = [900, 400, 150, 50];
    expect(Math.abs(sum(await ask(nodes, uneven, 3, 1.5)) / RATE - 1)).toBeLessThan(0.1);
    const other = await ask(nodes, [...uneven].reverse(), 2.5, 1);
    expect(Math.abs(sum(other) / RATE - 1)).toBeLessThan(0.1);
    expect(other[3]!).toBeGreaterThan(other[0]! * 5);
  });

  test('is all one node’s when the others are not asked, and nobody is turned away below it', async () => {
    await using redis = await startRedis();
    using nodes = await fleetOf(redis);
    expect((await ask(nodes.slice(1, 2), [1500], 2, 1))[0]! / RATE).toBeGreaterThan(0.9);
    const below = await ask(nodes, [500, 200, 50, 50], 2, 1);
    expect(sum(below)).toBeGreaterThan(700);
  });

  test('is an even share of each node while Redis is away, and settled again when it is back', async () => {
    await using redis = await startRedis();
    using nodes = await fleetOf(redis);
    await ask(nodes, [900, 400, 150, 50], 1, 1);
    redis.pause();
    try {
      await until(() => nodes.every(({ settler }) => settler.isAway), 'Redis to be missed');
      const passed = await ask(nodes, [900, 400, 150, 50], 1.5, 0.5);
      for (const [n, expected] of [250, 250, 150, 50].entries()) expect(passed[n]! / expected).toBeCloseTo(1, 1);
    } finally {
      redis.resume();
    }
    await until(() => nodes.every(({ settler }) => !settler.isAway), 'Redis to be back', 20_000);
    expect(Math.abs(sum(await ask(nodes, [900, 400, 150, 50], 3, 1)) / RATE - 1)).toBeLessThan(0.1);
  }, 40_000);

  test('with redisDown: closed nobody passes while Redis is away', async () => {
    await using redis = await startRedis();
    using nodes = await fleetOf(redis, { ...LIMIT, redisDown: 'closed' });
    expect(sum(await ask(nodes, [100, 100, 100, 100], 0.5, 0.5))).toBeGreaterThan(380);
    redis.pause();
    try {
      await until(() => nodes.every(({ settler }) => settler.isAway), 'Redis to be missed');
      expect(sum(await ask(nodes, [100, 100, 100, 100], 0.5, 0.5))).toBe(0);
    } finally {
      redis.resume();
    }
  });

  test('with redisDown: closed everybody passes from the moment a reload brings the limit, if Redis is there', async () => {
    await using redis = await startRedis();
    const node = new Node(redis.url);
    try {
      await until(() => !node.settler.isAway, 'Redis to be there');
      node.settler.install(new Map());
      await new Promise((resolve) => setTimeout(resolve, 1200));
      node.settler.install(new Map([[1, { ...LIMIT, redisDown: 'closed' }]]));
      for (let look = 0; look < 50; look++) {
        expect(node.table.take(RULE, KEY.hi, KEY.lo, nowMs())).toBe(true);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } finally {
      node.end();
    }
  });
});
