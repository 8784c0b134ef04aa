// Nodes that share through a real Redis: who is heard, what a cold one learns from the others, what becomes of it when Redis is
// killed, cut off, flushed, or full of what others wrote there.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EndpointView, FleetView } from '../../src/control/types.ts';
import { type Cluster, lostOf, startCluster } from '../support/cluster.ts';
import { until } from '../support/until.ts';

const REGIONS = ['aws:eu-central-1', 'aws:eu-west-1', 'aws:us-east-1'] as const;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster(2, {
    origins: REGIONS.map((region, o) => ({ id: `o${o}`, config: { region } })),
    config: (n, { redis }) => ({
      node: { id: `n${n}`, region: REGIONS[0] },
      state: { redis: { url: redis.url, timeout: '300ms' } },
    }),
  });
}, 30_000);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

const heard = async (n: number): Promise<string[]> =>
  (await cluster.fleet<FleetView>(n)).nodes.filter(({ endpoints }) => endpoints > 0).map(({ node }) => node);
const countOf = async (n: number, result: string): Promise<number> =>
  (await cluster.nodes[n]!.metrics()).get(`fermat_share_digests_total{result="${result}"}`) ?? 0;
const typesOf = (n: number): string[] => cluster.nodes[n]!.events.map(({ type }) => type as string);

describe('two nodes', () => {
  test('hear each other with all their endpoints', async () => {
    await until(async () => (await heard(0)).includes('n1') && (await heard(1)).includes('n0'), 'both are heard', 10_000);
    const view = await cluster.fleet<FleetView>(0);
    expect(view.redis).toMatchObject({ configured: true, up: true, listening: true });
    expect(view.nodes[0]).toMatchObject({ node: 'n1', region: REGIONS[0], endpoints: 3, isNear: true, distanceKm: 0 });
  });
});
