// One directory as a node keeps it, against a real Redis: read, followed, changed, missed, lost, and among what is not ours. Two
// nodes are two links here; real processes are in e2e/locality.test.ts.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { nowMs } from '../../../src/clock.ts';
import { redisOf } from '../../../src/control/config/redis.ts';
import { createEventLog } from '../../../src/control/events.ts';
import { Directory } from '../../../src/control/locality/directory.ts';
import { RedisLink } from '../../../src/control/redis/link.ts';
import { KeyHash } from '../../../src/core/key-hash.ts';
import { ReplicaReader } from '../../../src/core/locality/replica.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import { until } from '../../support/until.ts';

const FRANKFURT = 'aws:eu-central-1';
const PARIS = 'gcp:europe-west9';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
const ends: (() => void)[] = [];
beforeEach(() => redis.client.flushall());
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
afterAll(() => redis[Symbol.asyncDispose]());

interface Node {
  readonly directory: Directory;
  readonly events: string[];
  /** What a worker reads now. */
  reader: ReplicaReader;
}

function nodeOf(max = 1000): Node {
  const log = createEventLog({ level: 'silent' });
  const events: string[] = [];
  log.subscribe(({ type }) => events.push(type));
  const link = new RedisLink(redisOf(redis.url, '/', [], []), { events: log, clock: nowMs, random: Math.random });
  const node: Partial<Node> & { reader?: ReplicaReader } = { events };
  const directory = new Directory('d', max, {
    redis: link,
    clock: nowMs,
    events: log,
    onCopy: (_, buffer) => {
      node.reader = new ReplicaReader(buffer);
    },
  });
  directory.start();
  const timer = setInterval(() => directory.tick(nowMs()), 20);
  ends.push(() => {
    clearInterval(timer);
    directory.stop();
    link.destroy();
  });
  return Object.assign(node, { directory }) as Node;
}

const set = (node: Node, to: string, ...keys: string[]) =>
  node.directory.change(keys.map((key) => ({ key, to, from: '*' })));
const isReached = (node: Node, version: number) =>
  until(() => node.directory.isLoaded && node.directory.version >= version, `version ${version}`);

async function begun(node: Node, ...keys: string[]): Promise<void> {
  await until(async () => (await set(node, FRANKFURT, ...keys)) !== undefined, 'Redis to take it');
  await isReached(node, keys.length);
}

describe('a directory', () => {
  test('is not there before anybody has put something into it', async () => {
    const node = nodeOf();
    await until(async () => (await node.directory.stored('a')) === null, 'Redis to answer');
    expect(node.directory.isLoaded).toBe(false);
    await begun(node, 'a');
    expect(node.directory.placeNameOf('a')).toBe(FRANKFURT);
  });

  test('is read whole by who comes late, and heard by who is there', async () => {
    const first = nodeOf();
    await begun(first, 'a', 'b', 'ü/é');
    const second = nodeOf();
    await isReached(second, 3);
    expect(second.directory.placeNameOf('ü/é')).toBe(FRANKFURT);
    await set(second, PARIS, 'b');
    await isReached(first, 4);
    expect([first.directory.placeNameOf('a'), first.directory.placeNameOf('b')]).toEqual([FRANKFURT, PARIS]);
    const { hi, lo } = new KeyHash().of('b');
    expect(first.reader.placeOf(hi, lo)).toBe(first.directory.placeOf('b'));
  });

  test('changes only what is where it must be, and each result is told', async () => {
    const node = nodeOf();
    await begun(node, 'a', 'b');
    const changed = await node.directory.change([
      { key: 'a', to: PARIS, from: FRANKFURT },
      { key: 'b', to: PARIS, from: PARIS },
      { key: 'c', to: PARIS, from: '+' },
      { key: 'd', to: PARIS, from: '' },
      { key: 'b', to: FRANKFURT, from: '*' },
    ]);
    expect(changed).toEqual({
      version: 4,
      results: [1, 0, 0, 1, 1],
      before: [FRANKFURT, FRANKFURT, '', '', FRANKFURT],
    });
  });

  test('lets go of keys, and holds no more than it may', async () => {
    const node = nodeOf(3);
    await begun(node, 'a', 'b', 'c');
    expect((await set(node, PARIS, 'd'))!.results).toEqual([-1]);
    expect((await set(node, '', 'b'))!.results).toEqual([1]);
    expect((await set(node, PARIS, 'd'))!.results).toEqual([1]);
    await isReached(node, 5);
    expect([node.directory.placeNameOf('b'), node.directory.placeNameOf('d')]).toEqual([null, PARIS]);
  });

  test('grows with its keys; workers are given a larger copy', async () => {
    const node = nodeOf(1_000_000);
    await begun(node, 'first');
    for (let n = 0; n < 40_000; n += 4000) {
      await set(node, PARIS, ...Array.from({ length: 4000 }, (_, i) => `k${n + i}`));
    }
    await isReached(node, 40_001);
    const hash = new KeyHash();
    for (const key of ['first', 'k0', 'k39999']) {
      const { hi, lo } = hash.of(key);
      expect(node.reader.placeOf(hi, lo)).toBe(node.directory.placeOf(key));
    }
    expect(node.directory.placeNameOf('k39999')).toBe(PARIS);
  });
});

describe('what goes wrong', () => {
  test('changes that were not heard are read: more than a portion of them, too', async () => {
    const node = nodeOf(100_000);
    await begun(node, 'a');
    // As another node's script does it, but nobody is told.
    const keys = Array.from({ length: 2500 }, (_, i) => `k${i}`);
    const tag = 'fermat:{locality-d}:';
    await redis.client.hset(`${tag}places`, Object.fromEntries(keys.map((key) => [key, PARIS])));
    await redis.client.zadd(`${tag}versions`, ...keys.flatMap((key, i) => [i + 2, key]));
    await redis.client.set(`${tag}version`, 2501);
    await isReached(node, 2501);
    expect([node.directory.placeNameOf('k0'), node.directory.placeNameOf('k2499')]).toEqual([PARIS, PARIS]);
  });

  test('a lost directory is told once and goes on; a new one adds to it', async () => {
    const node = nodeOf();
    await begun(node, 'a', 'b');
    await redis.client.flushall();
    await until(() => node.events.includes('locality.lost'), 'the loss to be told');
    expect(node.directory.placeNameOf('a')).toBe(FRANKFURT);
    await set(node, PARIS, 'b');
    await until(() => node.directory.placeNameOf('b') === PARIS, 'the new one');
    expect([node.directory.placeNameOf('a'), node.directory.version]).toEqual([FRANKFURT, 1]);
    expect(node.events.filter((type) => type === 'locality.lost')).toHaveLength(1);
  });

  test('messages and values that are not ours change nothing', async () => {
    const node = nodeOf();
    await begun(node, 'a');
    for (const message of ['', 'x', '\n\n', 'epoch\n1', `other\n9\na\t${PARIS}`, `\nNaN\na\t${PARIS}`]) {
      await redis.client.publish('fermat:locality-d', message);
    }
    await redis.client.hset('fermat:{locality-d}:places', 'odd', 'aws:mars-1');
    await set(node, PARIS, 'b');
    await isReached(node, 2);
    expect([node.directory.placeNameOf('a'), node.directory.placeNameOf('b')]).toEqual([FRANKFURT, PARIS]);
    // A place that nobody here knows is a place all the same: its requests go nowhere else.
    const late = nodeOf();
    await isReached(late, 2);
    expect([late.directory.placeNameOf('odd'), late.directory.placeOf('odd') > 0]).toEqual([null, true]);
  });
});

describe('a Redis that comes back as it was some time ago', () => {
  const TAG = 'fermat:{locality-d}:';
  const parts = ['places', 'versions', 'version', 'epoch'].map((part) => `${TAG}${part}`);

  /** What stands now, to be put back later, as a snapshot or a replica that lagged would. */
  async function snapshot(): Promise<() => Promise<unknown>> {
    const dumps = await Promise.all(parts.map((key) => redis.client.dumpBuffer(key)));
    return () => {
      const all = redis.client.multi();
      for (const [i, key] of parts.entries()) all.restore(key, 0, dumps[i]!, 'REPLACE');
      return all.exec();
    };
  }

  test('is followed from there: what it says stands, and what is moved from then on moves here, too', async () => {
    const node = nodeOf();
    await begun(node, 'a', 'b');
    const restore = await snapshot();
    for (const to of [PARIS, FRANKFURT, PARIS]) await set(node, to, 'a', 'new');
    await isReached(node, 8);
    await restore();
    await until(() => node.events.includes('locality.reverted'), 'it to be told');
    await until(() => node.directory.placeNameOf('a') === FRANKFURT, 'what Redis says');
    expect(node.directory.placeNameOf('new')).toBe(PARIS); // of which Redis says nothing
    await set(node, 'aws', 'a');
    await until(() => node.directory.placeNameOf('a') === 'aws', 'a move since');
    expect([node.directory.version, node.directory.isLoaded]).toEqual([3, true]);
    expect(node.events.filter((type) => type === 'locality.reverted')).toHaveLength(1);
  });

  test('is found out by its being another server, though its versions have passed ours already', async () => {
    const node = nodeOf();
    await begun(node, 'a', 'b', 'c');
    await set(node, PARIS, 'a');
    await set(node, '', 'c');
    await isReached(node, 5);
    const epoch = (await redis.client.get(parts[3]!))!;
    // The other one never heard of the last two changes, and has had others since.
    await redis.kill();
    await redis.start();
    const scores = ['1', 'a', '2', 'b', '6', 'c'];
    await redis.client
      .multi()
      .hset(parts[0]!, { a: FRANKFURT, b: FRANKFURT, c: PARIS })
      .zadd(parts[1]!, ...scores)
      .set(parts[2]!, 6)
      .set(parts[3]!, epoch)
      .exec();
    await until(() => node.directory.version === 6 && node.directory.placeNameOf('c') === PARIS, 'the new ones');
    await until(() => node.directory.placeNameOf('a') === FRANKFURT, 'what it never heard of');
  });
});

test('keys that come and go do not use up the room of those that stay', async () => {
  const node = nodeOf(2000);
  await begun(node, 'stays');
  for (let n = 0; n < 54_000; n += 2000) {
    const keys = Array.from({ length: 1900 }, (_, i) => `k${n + i}`);
    await set(node, PARIS, ...keys);
    await set(node, '', ...keys);
  }
  await set(node, PARIS, 'last');
  await isReached(node, 1 + 27 * 3800 + 1);
  expect([node.directory.placeNameOf('last'), node.directory.placeNameOf('stays')]).toEqual([PARIS, FRANKFURT]);
  expect(node.directory.unplaced).toBe(0);
});

test('a node that may hold less than others have stored says so', async () => {
  const tag = 'fermat:{locality-d}:';
  const keys = Array.from({ length: 50_000 }, (_, i) => [`k${i}`, PARIS] as const);
  await redis.client.hset(`${tag}places`, Object.fromEntries(keys));
  await redis.client.multi().set(`${tag}version`, 50_000).set(`${tag}epoch`, 'first').exec();
  const node = nodeOf(1000);
  await isReached(node, 50_000);
  expect(node.directory.unplaced).toBeGreaterThan(0);
  expect(node.events.filter((type) => type === 'locality.full')).toHaveLength(1);
});

test('what is far too long at the places of a directory is not fetched', async () => {
  const node = nodeOf();
  await begun(node, 'a');
  await redis.client.setrange('fermat:{locality-d}:epoch', 64 * 2 ** 20, 'x');
  const before = Number((await redis.info('stats')).get('total_net_output_bytes'));
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const sent = Number((await redis.info('stats')).get('total_net_output_bytes')) - before;
  expect(sent).toBeLessThan(2 ** 20);
});
