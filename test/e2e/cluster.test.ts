// A cluster as it runs: real nodes, a real Redis, and a node that is cut off from it, by itself, while requests go on.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FleetView } from '../../src/control/types.ts';
import { type Answer, type Cluster, lostOf, shareOf, startCluster } from '../support/cluster.ts';
import { until } from '../support/until.ts';

const REGIONS = ['aws:eu-central-1', 'aws:us-east-1'] as const;
const RATE_PER_S = 100;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster(2, {
    origins: [
      { id: 'near', delayMs: 2, config: { region: REGIONS[0] } },
      { id: 'far', delayMs: 40, config: { region: REGIONS[1] } },
    ],
    config: (n) => ({ node: { id: `n${n}`, region: REGIONS[0] } }),
  });
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** Others that node `n` has heard all of. */
async function heard(n: number): Promise<string[]> {
  const { nodes } = await cluster.fleet<FleetView>(n);
  return nodes.filter(({ endpoints }) => endpoints === 2).map(({ node }) => node);
}

const isUp = async (n: number): Promise<boolean> => (await cluster.fleet<FleetView>(n)).redis.up;

/** Requests to both nodes until `done` has ended. */
async function whileAsking(done: Promise<unknown>): Promise<Answer[]> {
  const answers: Answer[] = [];
  let isOver = false;
  const ended = done.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    for (const batch of await Promise.all([0, 1].map((n) => cluster.ask(n, RATE_PER_S / 4, RATE_PER_S)))) {
      answers.push(...batch);
    }
  }
  await ended;
  return answers;
}

describe('a cluster', () => {
  it('spreads what its nodes know', async () => {
    await until(async () => (await heard(0)).includes('n1') && (await heard(1)).includes('n0'), 'both heard', 15_000);
  });

  it('loses no request when one node is cut off from Redis, which the others forget, and when it comes back', async () => {
    const apart = cluster.redisWay(1, { mode: 'cut' }).then(async () => {
      await until(async () => !(await isUp(1)), 'the node notices', 15_000);
      await until(async () => !(await heard(0)).includes('n1'), 'the other forgets it', 15_000);
    });
    const during = await whileAsking(apart);
    expect(await isUp(0)).toBe(true);
    const together = cluster.redisWay(1, { mode: 'open' }).then(async () => {
      await until(async () => (await isUp(1)) && (await heard(0)).includes('n1'), 'it is heard again', 20_000);
    });
    const after = await whileAsking(together);
    for (const answers of [during, after]) {
      expect(lostOf(answers)).toEqual([]);
      expect(shareOf(answers, 'near')).toBeGreaterThan(0.8);
    }
  });
});
