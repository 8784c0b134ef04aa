// A node that starts cold beside three warm ones at the same place, simulated: what part of its first 1,000 requests goes where
// the warm ones send none of theirs, in those same seconds? The nearest region answers probes quickly and requests late. Beside
// it the same node with nobody to ask. Only seeds are judged where the warm ones agree on one region for nine of ten requests.
// Run: node bench/route/cold.ts [--seeds 24] [--rate 50]         (the warm nodes: 45 requests/s each)

import { parseArgs } from 'node:util';
import { seeded } from '../../src/core/selector.ts';
import { tableOf } from '../support/report.ts';
import { drawJobs } from './sim/jobs.ts';
import { drawGeography, geographyOf } from './sim/network.ts';
import { USUAL_JOBS } from './sim/scenarios.ts';
import { World } from './sim/world.ts';

const ENDPOINTS = 6;
const NODES = 4;
const WARM_PER_S = 45;
const COLD_MS = 10_000;
const REQUESTS = 1000;
/** What the nearest takes longer than the next nearest, all told. ms */
const SLOWER_MS = 30;
const AGREED = 0.9;
const DIGESTS = { intervalMs: 2000, delayMs: 250 };

interface Cold {
  /** Parts of requests not at the warm nodes' home: theirs, the cold one's, and of its first hundred. */
  readonly warm: number;
  readonly cold: number;
  readonly first: number;
  /** Part of the cold one's that goes to a region beyond what the warm ones send there. */
  readonly beyond: number;
}

const { values: flags } = parseArgs({
  options: { seeds: { type: 'string', default: '24' }, rate: { type: 'string', default: '50' } },
});
const rows = [true, false].map((isBeside) => {
  const all = Array.from({ length: Number(flags.seeds) }, (_, i) => simulateCold(i + 1, Number(flags.rate), isBeside));
  const agreed = all.filter(({ warm }) => 1 - warm >= AGREED);
  const mean = (of: (c: Cold) => number) =>
    `${((agreed.reduce((sum, c) => sum + of(c), 0) / agreed.length) * 100).toFixed(1)} %`;
  const name = isBeside ? 'beside warm nodes' : 'alone';
  return [name, mean((c) => c.beyond), mean((c) => c.cold), mean((c) => c.warm), mean((c) => c.first), agreed.length];
});
const head = [`first ${REQUESTS}`, 'beyond the warm', 'not home', 'the warm ones', 'of the first 100', 'seeds'];
process.stdout.write(
  `${tableOf(
    head,
    rows.map((row) => row.map(String)),
  )}\n`,
);

function simulateCold(seed: number, perS: number, isBeside: boolean): Cold {
  const provider = seed % 2 === 1 ? 'aws' : 'gcp';
  const drawn = drawGeography(provider, 1, ENDPOINTS, seeded(seed * 17));
  const nameOf = ({ region }: { readonly region: string }) => region.slice(provider.length + 1);
  const here = Array.from({ length: NODES }, () => nameOf(drawn.edges[0]!));
  const geography = geographyOf(provider, here, drawn.endpoints.map(nameOf));
  const untilMs = COLD_MS + (REQUESTS * 1100) / perS;
  const rateOf = (ms: number, n: number) => (n < NODES - 1 ? WARM_PER_S : ms >= COLD_MS ? perS : 0);
  const jobs = drawJobs(seed, untilMs, USUAL_JOBS, NODES, NODES, Math.max(perS, WARM_PER_S), rateOf);
  const [nearest = 0, ...others] = drawn.averageMs;
  const slowness = (USUAL_JOBS.meanMs + Math.min(...others) - nearest + SLOWER_MS) / USUAL_JOBS.meanMs;
  const world = new World({
    policy: 'fermat',
    seed,
    geography,
    jobs,
    nodes: NODES,
    meanServiceMs: USUAL_JOBS.meanMs,
    probeServiceMs: 1,
    untilMs,
    absent: [],
    steps: [{ atMs: 0, run: (w) => w.slow(0, slowness) }],
    share: isBeside ? DIGESTS : null,
  });
  world.run();
  return figuresOf(world);
}

function figuresOf({ spec: { jobs }, endpoint }: World): Cold {
  const [warm, cold, first] = [new Float64Array(ENDPOINTS), new Float64Array(ENDPOINTS), new Float64Array(ENDPOINTS)];
  let asked = 0;
  for (let id = 0; id < jobs.count && asked < REQUESTS; id++) {
    const e = endpoint[id]!;
    if (jobs.atMs[id]! < COLD_MS || e < 0) continue;
    if (jobs.node[id]! < NODES - 1) warm[e]!++;
    else {
      cold[e]!++;
      if (asked++ < 100) first[e]!++;
    }
  }
  const partsOf = (counts: Float64Array) => counts.map((count) => count / counts.reduce((a, b) => a + b, 0));
  const [ofWarm, ofCold, ofFirst] = [partsOf(warm), partsOf(cold), partsOf(first)];
  const home = ofWarm.indexOf(Math.max(...ofWarm));
  return {
    warm: 1 - ofWarm[home]!,
    cold: 1 - ofCold[home]!,
    first: 1 - ofFirst[home]!,
    beyond: ofCold.reduce((sum, part, e) => sum + Math.max(part - ofWarm[e]!, 0), 0),
  };
}
