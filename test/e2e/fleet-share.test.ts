// Nodes that share through a real Redis: who is heard, what `status` and the metrics say of it, and that requests go on when Redis
// is killed, cut off or full of rubbish.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FleetView } from '../../src/control/types.ts';
import { type Cluster, lostOf, startCluster } from '../support/cluster.ts';
import { until } from '../support/until.ts';

const REGIONS = ['aws:eu-central-1', 'aws:eu-west-1', 'aws:us-east-1'] as const;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster(2, {
    origins: REGIONS.map((region, o) => ({ id: `o${o}`, config: { region } })),
    config: (n) => ({ node: { id: `n${n}`, region: REGIONS[0] } }),
  });
}, 30_000);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

const heard = async (n: number): Promise<string[]> =>
  (await cluster.fleet<FleetView>(n)).nodes.filter(({ endpoints }) => endpoints > 0).map(({ node }) => node);
const isUp = async (n: number): Promise<boolean> => (await cluster.fleet<FleetView>(n)).redis.up;
const typesOf = (n: number, type: string) => cluster.nodes[n]!.events.filter((event) => event.type === type);

describe('two nodes', () => {
  test('hear each other with all their endpoints, and say so', async () => {
    await until(
      async () => (await heard(0)).includes('n1') && (await heard(1)).includes('n0'),
      'both are heard',
      10_000,
    );
    const view = await cluster.fleet<FleetView>(0);
    expect(view.redis).toMatchObject({ configured: true, up: true, listening: true });
    expect(view.nodes[0]).toMatchObject({ node: 'n1', region: REGIONS[0], endpoints: 3, isNear: true, distanceKm: 0 });
    const node = cluster.nodes[0]!;
    expect(await node.metric('fermat_redis_up')).toBe(1);
    expect(await node.metric('fermat_share_nodes')).toBe(1);
    expect(await node.metric('fermat_share_digests_total', 'result="ok"')).toBeGreaterThan(0);
    expect(await node.metric('fermat_redis_commands_total', 'command="tell"', 'result="ok"')).toBeGreaterThan(0);
    expect(await node.metric('fermat_redis_bytes_total', 'direction="sent"')).toBeGreaterThan(100);
    const { text } = await node.admin('/api/v1/config');
    expect(text).toContain('"redis"');
  });

  test('serve on while Redis is killed, hear each other again when it is back, and tell it once', async () => {
    const asking = cluster.ask(0, 600, 200);
    await cluster.redis.kill();
    await until(async () => !(await isUp(0)), 'the loss');
    await cluster.redis.start();
    await until(async () => (await isUp(0)) && (await heard(0)).length === 1, 'the other node again', 20_000);
    expect(lostOf(await asking)).toEqual([]);
    expect(typesOf(0, 'redis.down')).toHaveLength(1);
  }, 30_000);

  test('one that is cut off from Redis serves on by itself, and the other does not hear it any more', async () => {
    await cluster.redisWay(1, { mode: 'cut' });
    await until(async () => (await heard(0)).length === 0, 'its silence', 15_000);
    expect(lostOf(await cluster.ask(1, 100))).toEqual([]);
    expect(await isUp(1)).toBe(false);
    await cluster.redisWay(1, { mode: 'open' });
    await until(async () => (await heard(0)).includes('n1') && (await heard(1)).includes('n0'), 'both again', 20_000);
  }, 45_000);

  test('a reload takes another Redis, or none, and the rest of the node does not notice', async () => {
    const { state: _, ...alone } = await cluster.configOf(1);
    const node = cluster.nodes[1]!;
    node.writeConfig(alone);
    await until(async () => !(await cluster.fleet<FleetView>(1)).redis.configured, 'the reload', 10_000);
    expect(lostOf(await cluster.ask(1, 50))).toEqual([]);
    expect(await cluster.redis.client.publish('fermat:fleet', 'rubbish')).toBe(1);
    node.writeConfig(await cluster.configOf(1));
    await until(async () => (await heard(1)).includes('n0'), 'the fleet again', 15_000);
  }, 45_000);
});
