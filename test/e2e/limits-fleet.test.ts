// A limit over four nodes that share a Redis, however unevenly they are asked, and while Redis is away. The long form is
// bench/fleet/limits.ts.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { part, startLimited } from '../../bench/fleet/limits.ts';
import type { Cluster } from '../support/cluster.ts';
import { until } from '../support/until.ts';

const RATE = 100;
const UNEVEN = [0.9, 0.4, 0.15, 0.05];

let cluster: Cluster;
beforeAll(async () => {
  // Half a second of requests at once: what a busy machine holds up comes through when it comes.
  cluster = await startLimited(RATE, RATE / 2);
  const nodes = cluster.nodes.map((node) =>
    until(async () => (await node.metric('fermat_rate_limit_nodes')) === 4, '4 nodes'),
  );
  await Promise.all(nodes);
});
afterAll(() => cluster[Symbol.asyncDispose]());

it('four nodes that are asked unevenly let the rate through together, not each', async () => {
  const { passedPerS, failed } = await part(cluster, 'uneven', UNEVEN, RATE, 3, RATE, 2);
  expect(failed).toBe(0);
  // How exact it is, is measured by the bench and by control/limits/fleet.test.ts: here a busy machine delays whole nodes.
  expect(passedPerS).toBeLessThan(RATE * 1.2);
  expect(passedPerS).toBeGreaterThan(RATE * 0.7);
});

it('without Redis, each node lets its even share through', async () => {
  await cluster.redis.kill();
  const { perNode, failed } = await part(cluster, 'killed', UNEVEN, RATE, 1, RATE, 2);
  expect(failed).toBe(0);
  for (const [n, passedPerS] of perNode.entries()) {
    const expected = Math.min(RATE / 4, UNEVEN[n]! * RATE);
    expect(passedPerS).toBeLessThan(expected * 1.6 + 2);
    expect(passedPerS).toBeGreaterThan(expected * 0.5 - 2);
  }
});
