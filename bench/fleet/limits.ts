// A limit of 1,000/s over four real nodes that share a real Redis, asked unevenly (and differently from one part to the next): how
// many pass in all, second by second; and with Redis gone, paused and back. Expected: the total within 5 % of the rate in every
// part with Redis; without it, at most the rate, and each node at least the smaller of what it is asked and its even share.
// Run: node bench/fleet/limits.ts [--rate 1000] [--seconds 8]

import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type Answer, type Cluster, startCluster } from '../../test/support/cluster.ts';
import { until } from '../../test/support/until.ts';
import { commandOf, machineOf } from '../support/machine.ts';
import { tableOf, writeResult } from '../support/report.ts';

const NODES = 4;
/** Of one part: what each node is asked, as parts of the rate. */
const PARTS = [
  { name: 'uneven, 1.5 times the rate', demand: [0.9, 0.4, 0.15, 0.05], redis: 'up' },
  { name: 'the other way round', demand: [0.05, 0.15, 0.4, 0.9], redis: 'up' },
  { name: 'one node alone asks for all', demand: [0, 1.5, 0, 0], redis: 'up' },
  { name: 'below the rate', demand: [0.6, 0.2, 0.05, 0.05], redis: 'up' },
  { name: 'Redis killed, even', demand: [0.4, 0.4, 0.4, 0.4], redis: 'down' },
  { name: 'Redis killed, uneven', demand: [0.9, 0.4, 0.15, 0.05], redis: 'down' },
  { name: 'Redis back', demand: [0.9, 0.4, 0.15, 0.05], redis: 'up' },
] as const;
/** Of each part: shares find themselves, buckets (half a second deep) run empty. Not counted, but for the overshoot. */
const SETTLE_S = 3;

export interface PartResult {
  readonly name: string;
  readonly askedPerS: number;
  readonly passedPerS: number;
  /** What is expected of the total: the rate, or what is asked when that is less. */
  readonly expectedPerS: number;
  readonly error: number;
  readonly perNode: readonly number[];
  /** Passed in the first two seconds, beyond the rate. */
  readonly overshoot: number;
  readonly failed: number;
}

export async function part(
  cluster: Cluster,
  name: string,
  demand: readonly number[],
  rate: number,
  seconds: number,
  expectedPerS: number,
  settleS = SETTLE_S,
): Promise<PartResult> {
  const total = seconds + settleS;
  const asked = await Promise.all(
    demand.map((share, n) => {
      const perS = share * rate;
      return perS === 0 ? Promise.resolve([]) : cluster.ask(n, Math.round(perS * total), perS, '/limited');
    }),
  );
  const isPassed = (answer: Answer) => answer.status === 200;
  const inWindow = (answer: Answer) => answer.atMs >= settleS * 1000 && answer.atMs < total * 1000;
  const perNode = asked.map((answers) => answers.filter((a) => isPassed(a) && inWindow(a)).length / seconds);
  const passedPerS = perNode.reduce((sum, n) => sum + n, 0);
  const all = asked.flat();
  const early = all.filter((a) => isPassed(a) && !inWindow(a)).length;
  return {
    name,
    askedPerS: all.filter(inWindow).length / seconds,
    passedPerS,
    expectedPerS,
    error: passedPerS / expectedPerS - 1,
    perNode,
    overshoot: early - Math.min(expectedPerS, rate) * settleS,
    failed: all.filter(({ status }) => status !== 200 && status !== 429).length,
  };
}

export function startLimited(rate: number, burst: number, redisDown = 'local'): Promise<Cluster> {
  return startCluster(NODES, {
    origins: [{ id: 'o' }],
    config: () => ({
      routes: [
        { path: '/limited', pool: 'main', rateLimit: { rate: `${rate}/s`, burst, key: 'route', redisDown } },
        { path: '/', pool: 'main' },
      ],
    }),
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rate: { type: 'string' }, seconds: { type: 'string' } } });
  const rate = Number(values.rate ?? 1000);
  const seconds = Number(values.seconds ?? 8);
  await using cluster = await startLimited(rate, Math.round(rate / 2));
  const results: PartResult[] = [];
  for (const { name, demand, redis } of PARTS) {
    if (redis === 'down') await cluster.redis.kill();
    else if (results.at(-1)?.name.includes('killed')) await cluster.redis.start();
    const isUp = redis === 'up' ? 1 : 0;
    for (const node of cluster.nodes) {
      await until(async () => (await node.metric('fermat_redis_up')) === isUp, `Redis to be ${redis} for all`, 20_000);
    }
    const even = rate / NODES;
    const expected =
      redis === 'down'
        ? demand.reduce((sum: number, share) => sum + Math.min(share * rate, even), 0)
        : Math.min(rate, demand.reduce((sum: number, share) => sum + share, 0) * rate);
    results.push(await part(cluster, name, demand, rate, seconds, expected));
    const last = results.at(-1)!;
    console.log(`${last.name}: ${last.passedPerS.toFixed(0)}/s of ${last.askedPerS.toFixed(0)}/s`);
  }
  const rows = results.map((r) => [
    r.name,
    r.askedPerS.toFixed(0),
    r.passedPerS.toFixed(1),
    r.expectedPerS.toFixed(0),
    `${(r.error * 100).toFixed(1)} %`,
    r.perNode.map((n) => n.toFixed(0)).join(' · '),
    r.overshoot.toFixed(0),
    String(r.failed),
  ]);
  const head = ['part', 'asked/s', 'passed/s', 'expected', 'off by', 'by node', 'early excess', 'failed'];
  console.log(tableOf(head, rows));
  const result = { at: new Date().toISOString(), command: commandOf('bench/fleet/limits.ts'), machine: machineOf() };
  console.log(writeResult('fleet-limits', { ...result, rate, seconds, results }));
  if (results.some((r) => Math.abs(r.error) > 0.05 || r.failed > 0)) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
