// A node that starts cold beside three warm ones: how many of its first 1,000 requests go to a wrong region? Real processes, a real
// Redis, ways with delays. Nothing can be guessed: the nearest region answers probes at once and requests late, and the next one
// is on a bad route. Beside it the same node with nobody to ask.
// Run: node bench/fleet/cold.ts [--runs 3] [--requests 1000] [--rate 300]

import { parseArgs } from 'node:util';
import type { FleetView } from '../../src/control/types.ts';
import { type Answer, Cluster, lostOf } from '../../test/support/cluster.ts';
import { startRedis } from '../../test/support/redis-server.ts';
import { until } from '../../test/support/until.ts';
import { commandOf, machineOf } from '../support/machine.ts';
import { tableOf, writeResult } from '../support/report.ts';

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    requests: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '300' },
  },
});
const [requests, rate] = [Number(flags.requests), Number(flags.rate)] as const;

const EDGE = 'aws:eu-central-1';
/** Round trip and time to answer, as they are; nobody is told. ms */
const ORIGINS = [
  { id: 'frankfurt', region: 'aws:eu-central-1', rttMs: 8, delayMs: 70, probeDelayMs: 1 },
  { id: 'paris', region: 'aws:eu-west-3', rttMs: 70, delayMs: 5, probeDelayMs: 1 },
  { id: 'ireland', region: 'aws:eu-west-1', rttMs: 28, delayMs: 5, probeDelayMs: 1 },
  { id: 'virginia', region: 'aws:us-east-1', rttMs: 90, delayMs: 5, probeDelayMs: 1 },
  { id: 'singapore', region: 'aws:ap-southeast-1', rttMs: 160, delayMs: 5, probeDelayMs: 1 },
] as const;
const BEST = 'ireland';
const WARM = 3;
const WARM_REQUESTS = 1500;

interface Run {
  readonly wrong: number;
  readonly lost: number;
  /** Of the first hundred. */
  readonly wrongAtFirst: number;
}

const runs = { alone: [] as Run[], beside: [] as Run[] };
for (let i = 0; i < Number(flags.runs); i++) {
  runs.beside.push(await beside());
  runs.alone.push(await alone());
}
const path = writeResult('fleet-cold', {
  at: new Date().toISOString(),
  command: commandOf('bench/fleet/cold.ts'),
  machine: machineOf(),
  requests,
  requestsPerSecond: rate,
  origins: ORIGINS,
  runs,
});
const rows = Object.entries(runs).map(([name, all]) => [
  name === 'alone' ? 'alone' : `beside ${WARM} warm nodes`,
  all.map(({ wrong }) => percent(wrong)).join(' · '),
  all.map(({ wrongAtFirst }) => percent(wrongAtFirst)).join(' · '),
  String(all.reduce((sum, { lost }) => sum + lost, 0)),
  name === 'alone' ? '–' : '≤ 2 %',
]);
console.log(
  `${tableOf([`wrong region in the first ${requests}`, '', 'first 100', 'lost', 'target'], rows)}\n\n${path}`,
);

async function beside(): Promise<Run> {
  await using cluster = await opened(true);
  for (let n = 0; n < WARM; n++) await cluster.add();
  await Promise.all(Array.from({ length: WARM }, (_, n) => cluster.ask(n, WARM_REQUESTS, rate / WARM)));
  const others = async (n: number) =>
    (await cluster.fleet<FleetView>(n)).nodes.filter(({ endpoints }) => endpoints === ORIGINS.length).length;
  await until(async () => (await others(0)) === WARM - 1, 'the warm ones know each other', 20_000);
  let isOver = false;
  // They go on serving.
  const serving = Array.from({ length: WARM }, async (_, n) => {
    while (!isOver) await cluster.ask(n, rate / 2, rate);
  });
  await cluster.add();
  const run = runOf(await cluster.ask(WARM, requests, rate));
  isOver = true;
  await Promise.all(serving);
  return run;
}

async function alone(): Promise<Run> {
  await using cluster = await opened(false);
  await cluster.add();
  return runOf(await cluster.ask(0, requests, rate));
}

async function opened(shares: boolean): Promise<Cluster> {
  const origins = ORIGINS.map(({ id, region, delayMs, probeDelayMs }) => ({
    id,
    delayMs,
    probeDelayMs,
    config: { region },
  }));
  return new Cluster(await startRedis(), {
    origins,
    rttMs: (_, o) => ORIGINS[o]!.rttMs,
    config: (n) => ({ node: { id: `n${n}`, region: EDGE }, ...(!shares && { state: {} }) }),
  }).open();
}

function runOf(answers: readonly Answer[]): Run {
  const wrongOf = (some: readonly Answer[]) => some.filter(({ origin }) => origin !== BEST).length / some.length;
  return { wrong: wrongOf(answers), wrongAtFirst: wrongOf(answers.slice(0, 100)), lost: lostOf(answers).length };
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}
