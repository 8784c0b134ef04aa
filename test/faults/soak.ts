// npm run soak -- --minutes N: mixed traffic, faults, reloads and worker kills for as long as told, and at the end as at the start:
// memory, descriptors, sockets, threads, and nothing in flight. With --aborts N so many requests that their clients abort, after
// that. Ends with 1 when something was left over.

import { parseArgs } from 'node:util';
import { tableOf } from '../../bench/support/report.ts';
import { until } from '../support/until.ts';
import { measureAborts } from './aborts.ts';
import { writeDocument } from './document.ts';
import type { Phase } from './load.ts';
import { pause } from './rig.ts';
import { CYCLE, FAULT_MS, SoakRig, type Tallies } from './soak/rig.ts';
import { type Sample, sampleOf } from './soak/sample.ts';
import { type Check, keepSoak } from './soak/summary.ts';
import { isRising, type Trend, trendOf } from './soak/trend.ts';

const MIB = 1 << 20;
const SAMPLE_MS = 2000;
/** Shorter ones are tries. */
const KEPT_MINUTES = 10;
/** Before the first look: code compiled, pools and caches filled, every fault seen once. */
const WARM_UP_S = 45;
/** Idle connections of either side have gone after this: 4 s upstream, clients have closed theirs. */
const IDLE_MS = 8000;
/** Growth of the mean over the whole time that is below this share is not called a leak, however straight its line. */
const LEAST_GROWTH = 0.03;
/** Descriptors that may come and go: a probe, the admin request that asks. */
const SLACK = 4;

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    aborts: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const [minutes, aborts] = [Number(flags.minutes), Number(flags.aborts)];
if (flags.help || !(minutes > 0) || !(aborts >= 0)) {
  console.log('npm run soak -- [--minutes 30] [--aborts 100000] [--json]');
  process.exit(flags.help ? 0 : 2);
}
const say = (line: string) => {
  if (!flags.json) console.log(line);
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

process.exitCode = await soak();
process.exit();

async function soak(): Promise<number> {
  const rig = await SoakRig.start();
  try {
    const startMs = performance.now();
    say(`warming up for ${WARM_UP_S} s, then ${minutes} min`);
    await rig.startTraffic();
    await faultsUntil(rig, startMs + WARM_UP_S * 1000, 0);
    await rig.endTraffic();
    const atRest = await restOf(rig, startMs);
    await rig.startTraffic();
    const samples: Sample[] = [];
    const sampler = setInterval(() => void take(rig, startMs, samples), SAMPLE_MS);
    const faults = await faultsUntil(rig, performance.now() + minutes * 60_000, CYCLE);
    clearInterval(sampler);
    const { plain, tallies } = await rig.endTraffic();
    const atEnd = await restOf(rig, startMs);
    const aborted = aborts > 0 ? await abortChecks() : [];
    return report(rig, { samples, faults, plain, tallies, atRest, atEnd }, aborted);
  } finally {
    await rig.stop();
  }
}

/** A worker that has just died may be missing in a sample; the next has it. */
async function take(rig: SoakRig, startMs: number, samples: Sample[]): Promise<void> {
  const sample = await sampleOf(rig.fermat, startMs).catch(() => null);
  if (sample !== null) samples.push(sample);
}

/** One fault after the other. Gives how often each came. */
async function faultsUntil(rig: SoakRig, untilMs: number, first: number): Promise<Record<string, number>> {
  const faults: Record<string, number> = {};
  for (let n = first; performance.now() < untilMs; n++) {
    const name = await rig.fault(n);
    faults[name] = (faults[name] ?? 0) + 1;
    if (n % CYCLE === CYCLE - 1) {
      const { rssBytes, heapBytes, files } = await sampleOf(rig.fermat, 0);
      const left = Math.max(0, (untilMs - performance.now()) / 60_000);
      say(`  RSS ${mib(rssBytes)}, heaps ${mib(heapBytes)}, ${files} descriptors; ${left.toFixed(1)} min left`);
    }
  }
  return faults;
}

/** With nothing to do, after everything idle has gone. */
async function restOf(rig: SoakRig, startMs: number): Promise<Sample> {
  await rig.settled();
  await pause(IDLE_MS);
  await until(async () => (await sampleOf(rig.fermat, startMs)).inflight === 0, 'nothing in flight', 20_000).catch(
    () => {},
  );
  return sampleOf(rig.fermat, startMs);
}

interface Findings {
  readonly samples: readonly Sample[];
  readonly faults: Record<string, number>;
  readonly plain: Phase;
  readonly tallies: Tallies;
  readonly atRest: Sample;
  readonly atEnd: Sample;
}

function report(rig: SoakRig, findings: Findings, aborted: readonly Check[]): number {
  const { samples, faults, plain, tallies, atRest, atEnd } = findings;
  const cycleMs = CYCLE * FAULT_MS;
  const of = (value: (sample: Sample) => number) =>
    trendOf(
      samples.map((sample) => ({ atMs: sample.atMs, value: value(sample) })),
      cycleMs,
    );
  const rss = of(({ rssBytes }) => rssBytes);
  const heap = of(({ heapBytes }) => heapBytes);
  const checks: Check[] = [
    trendCheck('RSS under load', rss),
    trendCheck('heaps of the workers', heap),
    same('descriptors at rest', atRest.files, atEnd.files, SLACK),
    same('sockets at rest', atRest.sockets, atEnd.sockets, SLACK),
    same('threads', atRest.threads, atEnd.threads, 0),
    same('client connections at rest', 0, atEnd.connections, 0),
    same('in flight at rest', 0, atEnd.inflight, 0),
    alive(rig),
    ...aborted,
  ];
  const misses = checks.filter(({ isHeld }) => !isHeld);
  if (flags.json) {
    console.log(
      JSON.stringify({
        minutes,
        checks,
        rss,
        heap,
        faults,
        crashes: rig.crashes,
        outcomes: plain.outcomes,
        tallies,
        atRest,
        atEnd,
        samples,
      }),
    );
    return misses.length === 0 ? 0 : 1;
  }
  const rows = checks.map(({ name, start, end, expected, isHeld }) => [
    name,
    start,
    end,
    expected,
    isHeld ? 'holds' : 'MISSED',
  ]);
  say(`\n${tableOf(['', 'start', 'end', 'expected', ''], rows)}`);
  const plainly = `${plain.requests} (${plain.outcomes})`;
  const others = Object.entries(tallies)
    .map(([kind, { begun, failed }]) => `${kind} ${begun}${failed > 0 ? ` (${failed} met a fault)` : ''}`)
    .join(', ');
  const kinds = Object.entries(faults).map(([name, n]) => `${name} ${n}`);
  say(`\nFaults: ${kinds.join(', ')}\nPlain requests: ${plainly}\nOthers: ${others}`);
  if (minutes >= KEPT_MINUTES) {
    say(`Kept: ${keepSoak({ minutes, checks, faults, plain: plainly, others })}`);
    writeDocument();
  }
  return misses.length === 0 ? 0 : 1;
}

/** On a process of its own. Memory is judged by the second half: the first makes pools and heaps as large as they are to be. */
async function abortChecks(): Promise<Check[]> {
  say(`${aborts} aborted requests`);
  const left = await measureAborts(aborts);
  const grown = `${left.rssSecondHalfMiB.toFixed(1)} MiB`;
  return [
    same(`descriptors after ${left.aborted} aborts`, 0, left.filesLeft, SLACK),
    same('… connections and requests', 0, left.connectionsLeft + left.inflightLeft, 0),
    same('… counted against endpoints', 0, left.failures + left.unhealthy, 0),
    { name: '… RSS, second half', start: '', end: grown, expected: '≤ 20 MiB', isHeld: left.rssSecondHalfMiB <= 20 },
  ];
}

function trendCheck(name: string, trend: Trend): Check {
  const { slope, error, growth, mean, cycles } = trend;
  const isHeld = !isRising(trend, LEAST_GROWTH);
  const rate = `${(slope / MIB).toFixed(1)} ± ${(error / MIB).toFixed(1)} MiB/h`;
  return {
    name,
    start: mib(mean - growth / 2),
    end: mib(mean + growth / 2),
    expected: `slope within 3 errors: ${rate} over ${cycles} cycles`,
    isHeld,
  };
}

function same(name: string, start: number, end: number, slack: number): Check {
  return {
    name,
    start: String(start),
    end: String(end),
    expected: slack === 0 ? 'the same' : `± ${slack}`,
    isHeld: Math.abs(end - start) <= slack,
  };
}

function alive(rig: SoakRig): Check {
  const isAlive = rig.fermat.exit === null;
  return { name: 'process', start: 'alive', end: isAlive ? 'alive' : 'dead', expected: 'alive', isHeld: isAlive };
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
