// How many clients are sent to a wrong region, by how many samples there are of their prefix: real round trips between regions
// (AWS and GCP), the geographic prior as the root of the chain, and the very code that learns cohorts (src/core/cohorts.ts).
// Clients live in the cities of the matrix, in prefixes of ASNs whose ways differ a little; eight endpoints a trial, never one
// in the client's own region. Wrong: the true time of the choice is worse than the best one's by more than 5 ms and 10 %.

import { parseArgs } from 'node:util';
import { type LatencyProvider, regionsOf, rttOf } from '../../geoip/latency.ts';
import { findRegion } from '../../geoip/regions.ts';
import { asnKeyOf, type CohortPath, cohortPath, countryKeyOf, prefixKeyOf } from '../../src/core/cohort.ts';
import { COHORT_LIMITS, Cohorts } from '../../src/core/cohorts.ts';
import { distanceKm, priorMs } from '../../src/core/geo.ts';
import { seeded } from '../../src/core/selector.ts';
import { commandOf, machineOf } from '../support/machine.ts';
import { quantileOf, tableOf, writeResult } from '../support/report.ts';

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    trials: { type: 'string', default: '40' },
    asn: { type: 'string', default: '0.08' },
    prefix: { type: 'string', default: '0.04' },
    json: { type: 'boolean', default: false },
  },
});

const ENDPOINTS = 8;
const ASNS = 3;
const PREFIXES = 4; // of each ASN
/** Ways of one city to one endpoint differ by this, ln. */
const ASN_DEVIATION = Number(flags.asn);
const PREFIX_DEVIATION = Number(flags.prefix);
/** Of one answer: the server's time, and the jitter of the way beside what `ping` saw. */
const SERVICE_MS = 8;
const SERVICE_DEVIATION = 0.4;
const JITTER_RATIO = 0.03;
const SAMPLES = [0, 1, 3, 10];
/** All samples of a trial come within this time. */
const SPAN_MS = 60_000;
const WRONG_MS = 5;
const WRONG_RATIO = 0.1;

/** each: so many of every (prefix, endpoint); total: so many of a prefix, each of a random endpoint. */
const SPREADS = ['each', 'total'] as const;
type Spread = (typeof SPREADS)[number];

interface Client {
  readonly path: CohortPath;
  readonly region: string;
  /** By endpoint: mean of the true round trip, ms; what geography says of it. */
  readonly rttMs: readonly number[];
  readonly priorMs: readonly number[];
}

interface Tally {
  clients: number;
  wrong: number;
  notBest: number;
  lostMs: number[];
}

function main(): void {
  const seeds = Array.from({ length: Number(flags.seeds) }, (_, i) => i + 1);
  const results = (['aws', 'gcp'] as const).flatMap((provider) =>
    SPREADS.flatMap((spread) =>
      SAMPLES.filter((n) => n > 0 || spread === 'each').map((samples) => {
        const perSeed = seeds.map((seed) => figuresOf(tallyOf(provider, spread, samples, seed)));
        const mean = (of: (f: Figures) => number) => perSeed.reduce((sum, f) => sum + of(f), 0) / perSeed.length;
        return {
          provider,
          spread,
          samples,
          wrong: mean((f) => f.wrong),
          notBest: mean((f) => f.notBest),
          lostMeanMs: mean((f) => f.lostMeanMs),
          lostP99Ms: mean((f) => f.lostP99Ms),
          perSeed,
        };
      }),
    ),
  );
  const path = writeResult('route-cohorts', {
    at: new Date().toISOString(),
    command: commandOf('bench/route/cohorts.ts'),
    machine: machineOf(),
    model: { ENDPOINTS, ASNS, PREFIXES, ASN_DEVIATION, PREFIX_DEVIATION, SERVICE_MS, SERVICE_DEVIATION, JITTER_RATIO },
    results,
  });
  if (flags.json) return console.log(JSON.stringify(results, null, 2));
  const head = ['matrix, samples of a prefix', 'wrong', 'not the best', 'lost ms', 'p99 ms', 'target'];
  const rows = results.map((r) => [
    `${r.provider}  ${r.samples === 0 ? '0 (geography alone)' : `${r.samples} ${r.spread === 'each' ? 'per endpoint' : 'in all'}`}`,
    percent(r.wrong),
    percent(r.notBest),
    r.lostMeanMs.toFixed(2),
    r.lostP99Ms.toFixed(1),
    r.samples === 3 ? '≤ 3 %' : '–',
  ]);
  console.log(tableOf(head, rows));
  console.log(`\n${seeds.length} seeds, ${flags.trials} trials each, ${path}`);
}

interface Figures {
  readonly wrong: number;
  readonly notBest: number;
  readonly lostMeanMs: number;
  readonly lostP99Ms: number;
}

function figuresOf({ clients, wrong, notBest, lostMs }: Tally): Figures {
  return {
    wrong: wrong / clients,
    notBest: notBest / clients,
    lostMeanMs: lostMs.reduce((a, b) => a + b, 0) / clients,
    lostP99Ms: quantileOf(lostMs, 0.99),
  };
}

function tallyOf(provider: LatencyProvider, spread: Spread, samples: number, seed: number): Tally {
  // The same worlds for every number of samples.
  const random = seeded(seed * 7919);
  const noise = seeded(seed * 104_729 + samples);
  const tally: Tally = { clients: 0, wrong: 0, notBest: 0, lostMs: [] };
  for (let trial = 0; trial < Number(flags.trials); trial++) {
    const endpoints = someOf(regionsOf(provider), ENDPOINTS, random);
    const clients = clientsOf(provider, endpoints, random);
    const cohorts = learned(clients, spread, samples, noise);
    for (const client of clients) judge(client, cohorts, tally);
  }
  return tally;
}

function judge({ path, rttMs, priorMs: prior }: Client, cohorts: Cohorts, tally: Tally): void {
  const guess = prior.map((ms, e) => (ms + SERVICE_MS) * Math.exp(cohorts.wholeLnOf(path, e + 1, SPAN_MS)));
  const choice = rttMs[guess.indexOf(Math.min(...guess))]! + SERVICE_MS;
  const best = Math.min(...rttMs) + SERVICE_MS;
  tally.clients++;
  tally.lostMs.push(choice - best);
  if (choice > best) tally.notBest++;
  if (choice - best > WRONG_MS + WRONG_RATIO * best) tally.wrong++;
}

/** Every client's samples, in an order of chance. */
function learned(clients: readonly Client[], spread: Spread, samples: number, noise: () => number): Cohorts {
  const cohorts = new Cohorts(COHORT_LIMITS);
  const all: (readonly [Client, number])[] = clients.flatMap((client) =>
    Array.from({ length: spread === 'each' ? samples * ENDPOINTS : samples }, (_, i) => {
      const endpoint = spread === 'each' ? i % ENDPOINTS : Math.floor(noise() * ENDPOINTS);
      return [client, endpoint] as const;
    }),
  );
  const shuffled = someOf(all, all.length, noise);
  shuffled.forEach(([client, e], i) => {
    const ms = client.rttMs[e]! * logNormal(JITTER_RATIO, noise) + SERVICE_MS * logNormal(SERVICE_DEVIATION, noise);
    cohorts.learn(client.path, e + 1, Math.log(ms / (client.priorMs[e]! + SERVICE_MS)), (i / all.length) * SPAN_MS);
  });
  return cohorts;
}

/** The clients of all cities but those that have an endpoint. */
function clientsOf(provider: LatencyProvider, endpoints: readonly string[], random: () => number): Client[] {
  const cities = regionsOf(provider).filter((region) => !endpoints.includes(region));
  return cities.flatMap((region, c) => {
    const at = findRegion(`${provider}:${region}`)!;
    const prior = endpoints.map((e) => priorMs(distanceKm(at, findRegion(`${provider}:${e}`)!)));
    const asns = Array.from({ length: ASNS }, () => endpoints.map(() => logNormal(ASN_DEVIATION, random)));
    return asns.flatMap((way, a) =>
      Array.from({ length: PREFIXES }, (_, p) => ({
        path: cohortPath(
          countryKeyOf(at.country),
          asnKeyOf(1000 + c * ASNS + a),
          prefixKeyOf(`10.${c}.${a * PREFIXES + p}.0`),
        ),
        region,
        rttMs: endpoints.map(
          (e, i) => rttOf(provider, region, e)!.avgMs * way[i]! * logNormal(PREFIX_DEVIATION, random),
        ),
        priorMs: prior,
      })),
    );
  });
}

/** Median 1. */
function logNormal(deviation: number, random: () => number): number {
  return Math.exp(deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

function someOf<T>(all: readonly T[], count: number, random: () => number): T[] {
  const left = [...all];
  return Array.from({ length: count }, (_, i) => {
    const j = i + Math.floor(random() * (left.length - i));
    [left[i], left[j]] = [left[j]!, left[i]!];
    return left[i]!;
  });
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(2)} %`;
}

main();
