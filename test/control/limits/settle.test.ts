// Limits that several nodes keep together, settled in a real Redis: the scripts alone, also among what is not ours, and tables of
// four nodes with the clock in the test's hands.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PRESENT, SETTLE, WHOLE } from '../../../src/control/limits/scripts.ts';
import { evaluate } from '../../../src/control/redis/script.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import { until } from '../../support/until.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(() => redis.client.flushall());
afterAll(() => redis[Symbol.asyncDispose]());

/** One key: burst 100 ms of the rate, told to be believed for a minute. Gives the share. */
async function settle(node: string, asked: number, passedMs = 0, key = '{t}:k', burstMs = 100): Promise<number> {
  const numbers = [burstMs, passedMs, asked, 100, 50_000].map(String);
  const [share] = (await evaluate(redis.client, SETTLE, [key], [node, ...numbers])) as number[];
  return share! / WHOLE;
}

describe('shares', () => {
  test('follow what is asked where, once it is more than there is', async () => {
    await settle('a', 0.9);
    await settle('b', 0.4);
    await settle('c', 0.15);
    await settle('d', 0.05);
    // Nothing has passed so far: up to twice the share, until the burst is used up.
    const factor = (await settle('a', 0.9)) / (0.9 / 1.5);
    expect(factor).toBeGreaterThan(1);
    expect((await settle('d', 0.05)) / (0.05 / 1.5)).toBeCloseTo(factor, 1);
  });

  test('leave nobody at what he asks for while there is more than is asked', async () => {
    await settle('a', 0.6);
    const share = await settle('b', 0.1);
    expect(share).toBeGreaterThan(0.1 + 0.14);
  });

  test('shrink while more has passed than the rate allows, never to nothing, and recover', async () => {
    expect(await settle('a', 1, 5000)).toBeCloseTo(0.05, 2);
    expect(await settle('b', 1, 0)).toBeGreaterThan(0);
    await redis.client.hset('{t}:k', 'full', '0');
    expect(await settle('a', 1, 0)).toBeGreaterThan(0.5);
  });

  test('forget nodes that are gone, and keys that nobody asks for', async () => {
    await evaluate(redis.client, SETTLE, ['{t}:k'], ['gone', '100', '0', '5', '100', '1']);
    await until(async () => (await settle('a', 0.5)) > 0.9, 'the other to be forgotten');
    expect(await redis.client.hkeys('{t}:k')).not.toContain('n:gone');
    expect(await redis.client.pttl('{t}:k')).toBeGreaterThan(1000);
  });

  test('are told in order for many keys at once', async () => {
    const keys = Array.from({ length: 128 }, (_, i) => `{t}:${i}`);
    const args = keys.flatMap((_, i) => ['100', '0', String(i / 64), '100', '50000']);
    for (const key of keys) await redis.client.hset(key, 'n:other', `1 ${Date.now() + 10_000}`);
    const shares = (await evaluate(redis.client, SETTLE, keys, ['a', ...args])) as number[];
    expect(shares).toHaveLength(128);
    for (let i = 1; i < 128; i++) expect(shares[i]!).toBeGreaterThanOrEqual(shares[i - 1]!);
  });
});

describe('what is not ours', () => {
  test.each([
    ['a text', (key: string) => redis.client.set(key, 'what')],
    ['a list', (key: string) => redis.client.rpush(key, 'a', 'b')],
    [
      'other fields',
      (key: string) => redis.client.hset(key, { full: 'nan', 'n:x': 'inf inf', 'n:y': 'abc', z: '', 'n:z': '-5 9e99' }),
    ],
    [
      'thousands of fields',
      async (key: string) => {
        const fields = Array.from({ length: 20_000 }, (_, i) => [`f${i}`, 'x'] as const);
        await redis.client.hset(key, Object.fromEntries(fields));
      },
    ],
    ['huge numbers', (key: string) => redis.client.hset(key, { full: '1e300', 'n:x': `1e300 ${Date.now() + 1000}` })],
  ])('under the key of a limit does no harm: %s', async (_, spoil) => {
    await spoil('{t}:k');
    const share = await settle('a', 0.5, 10);
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThanOrEqual(2);
    expect(await settle('a', 0.5, 10)).toBeGreaterThan(0);
  });

  test('nor under the key of those who are there', async () => {
    await redis.client.set('{limits}:nodes', 'what');
    expect(await evaluate(redis.client, PRESENT, ['{limits}:nodes'], ['a', '5000'])).toBe(1);
    await redis.client.zadd('{limits}:nodes', 9e15, 'from-the-future');
    expect(await evaluate(redis.client, PRESENT, ['{limits}:nodes'], ['b', '5000'])).toBe(2);
    expect(await evaluate(redis.client, PRESENT, ['{limits}:nodes'], ['b', '0'])).toBe(1);
  });
});
