// The real test-bed: the running proxy before real origins on loopback, with real delays and bounded workers, under open-loop
// load, and nginx, HAProxy and Caddy in its place, one at a time, through the same events. Prints a table a scenario, and
// writes bench/results/route-real.json. Ends all that it started, also on Ctrl-C.
//   node bench/route/real.ts [--only steady,brownout] [--proxies fermat,nginx] [--runs 3] [--rate 200] [--explain] [--json]

import { parseArgs } from 'node:util';
import { commandOf, loadAverage, machineOf } from '../support/machine.ts';
import { median, tableOf, writeResult } from '../support/report.ts';
import { NODE_REGION, PLACES, SERVICE_MS, SIGMA, WORKERS } from './real/fleet.ts';
import { PROXIES } from './real/proxies.ts';
import { type Result, run } from './real/run.ts';
import { COUNTED_MS, SCENARIOS, type ScenarioName, WARM_MS } from './real/scenarios.ts';

const { values: flags } = parseArgs({
  options: {
    // So that bench/route/main.ts may pass on what it was called with.
    real: { type: 'boolean' },
    runs: { type: 'string', default: '1' },
    only: { type: 'string', default: Object.keys(SCENARIOS).join(',') },
    proxies: { type: 'string', default: Object.keys(PROXIES).join(',') },
    rate: { type: 'string', default: '200' },
    explain: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

/** Straight to the nearest, without a proxy: what steady is compared with. */
const DIRECT = 'direct';
/** Above this the two cores may be what is measured. */
const CPU_LIMIT_RATIO = 0.6;
/** Start, load, the last answers and the end of one run; beyond it something hangs. */
const RUN_LIMIT_MS = WARM_MS + COUNTED_MS + 60_000;
const P99_TARGET = 3;
const P50_TARGET = 1.05;
const P99_SCENARIOS: readonly string[] = ['brownout', 'route'];

const HEAD = [
  'ms',
  'p50',
  'p99',
  'p99 after 1 s',
  'mean',
  'errors',
  'wrong',
  'last 3 s',
  'until s',
  'nearest',
  'own CPU',
  'all CPU',
  'sent late p99',
];

interface Row {
  readonly scenario: ScenarioName;
  readonly proxy: string;
  readonly runs: readonly Result[];
}

await main();

async function main(): Promise<void> {
  const scenarios = namesOf('--only', flags.only, Object.keys(SCENARIOS)) as ScenarioName[];
  const asked = namesOf('--proxies', flags.proxies, Object.keys(PROXIES));
  const versions = Object.fromEntries(asked.map((name) => [name, PROXIES[name]!.version()]));
  const missing = asked.filter((name) => versions[name] === null);
  for (const name of missing) process.stderr.write(`missing: ${name} (${PROXIES[name]!.install})\n`);

  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(name)));
  const machine = machineOf();
  const rows: Row[] = [];
  try {
    for (const scenario of scenarios) {
      const proxies = asked.filter((name) => !missing.includes(name));
      for (const proxy of scenario === 'steady' ? [DIRECT, ...proxies] : proxies) {
        rows.push({ scenario, proxy, runs: await runsOf(scenario, proxy, stop) });
      }
      if (!flags.json) print(scenario, rows);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.stderr.write(`stopped: ${(stop.signal.reason as Error).message}\n`);
    process.exitCode = 130;
    return;
  }
  const targets = targetsOf(rows);
  const path = writeResult('route-real', {
    at: new Date().toISOString(),
    command: commandOf('bench/route/real.ts'),
    machine,
    loadAverageAfter: loadAverage(),
    versions,
    missing,
    model: {
      NODE_REGION,
      PLACES,
      WORKERS,
      SERVICE_MS,
      SIGMA,
      requestsPerSecond: Number(flags.rate),
      WARM_MS,
      COUNTED_MS,
    },
    targets,
    rows: rows.map((row) => ({ ...row, median: mediansOf(row.runs) })),
  });
  if (flags.json) return console.log(JSON.stringify({ targets, rows }, null, 2));
  for (const { what, measured, target } of targets) console.log(`${what}: ${measured} (target ${target})`);
  console.log(`\nRaw figures: ${path}`);
}

/** Every run has a seed of its own, the same for every proxy. */
async function runsOf(scenario: ScenarioName, proxy: string, stop: AbortController): Promise<Result[]> {
  const runs: Result[] = [];
  for (let seed = 1; seed <= Number(flags.runs); seed++) {
    process.stderr.write(`${scenario}, ${proxy}, run ${seed}\n`);
    const watchdog = setTimeout(() => stop.abort(new Error(`${scenario}, ${proxy}: no end in sight`)), RUN_LIMIT_MS);
    try {
      const result = await run({
        proxy: PROXIES[proxy] ?? null,
        scenario: SCENARIOS[scenario],
        perSecond: Number(flags.rate),
        seed,
        signal: stop.signal,
        explains: flags.explain && proxy === 'fermat',
      });
      runs.push(result);
      if (result.cpuRatio > CPU_LIMIT_RATIO) {
        process.stderr.write(`  the machine is ${percent(result.cpuRatio)} busy: the figures may be the cores'\n`);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }
  return runs;
}

type Medians = ReturnType<typeof mediansOf>;

function mediansOf(runs: readonly Result[]) {
  const of = (figure: (result: Result) => number) => median(runs.map(figure));
  return {
    requests: of((r) => r.requests),
    p50Ms: of((r) => r.p50Ms),
    p99Ms: of((r) => r.p99Ms),
    meanMs: of((r) => r.meanMs),
    errorRatio: of((r) => r.errorRatio),
    wrongRatio: of((r) => r.wrongRatio),
    wrongUntilMs: of((r) => r.wrongUntilMs),
    p99LaterMs: of((r) => r.p99LaterMs),
    wrongAtEndRatio: of((r) => r.wrongAtEndRatio),
    nearestRatio: of((r) => r.shares[PLACES[0]!.id]!),
    cpuRatio: of((r) => r.cpuRatio),
    ownCpuRatio: of((r) => r.ownCpuRatio),
    lateP99Ms: of((r) => r.lateP99Ms),
  };
}

function print(scenario: ScenarioName, rows: readonly Row[]): void {
  const lines = rows
    .filter((row) => row.scenario === scenario)
    .map(({ proxy, runs }) => {
      const m = mediansOf(runs);
      const times = [m.p50Ms, m.p99Ms, m.p99LaterMs, m.meanMs].map((ms) => ms.toFixed(1));
      const wrong = [percent(m.wrongRatio), percent(m.wrongAtEndRatio)];
      const until = Number.isNaN(m.wrongUntilMs) ? '–' : (m.wrongUntilMs / 1000).toFixed(2);
      const cpu = [m.ownCpuRatio, m.cpuRatio].map(percent);
      return [
        proxy,
        ...times,
        percent(m.errorRatio),
        ...wrong,
        until,
        percent(m.nearestRatio),
        ...cpu,
        m.lateP99Ms.toFixed(1),
      ];
    });
  console.log(`\n${scenario}: ${SCENARIOS[scenario].story}\n${tableOf(HEAD, lines)}`);
}

/** What issue 3 asks for, as far as it was measured. */
function targetsOf(rows: readonly Row[]) {
  const medianOf = (scenario: string, proxy: string): Medians | null => {
    const row = rows.find((r) => r.scenario === scenario && r.proxy === proxy);
    return row ? mediansOf(row.runs) : null;
  };
  const targets: { what: string; measured: string; target: string; isMet: boolean }[] = [];
  const [own, direct] = [medianOf('steady', 'fermat'), medianOf('steady', DIRECT)];
  if (own && direct) {
    const ratio = own.p50Ms / direct.p50Ms;
    const what = 'steady: p50 in parts of going straight to the nearest';
    targets.push({ what, measured: ratio.toFixed(3), target: `≤ ${P50_TARGET}`, isMet: ratio <= P50_TARGET });
  }
  for (const scenario of P99_SCENARIOS) {
    const fermat = medianOf(scenario, 'fermat');
    const peers = rows.filter((row) => row.scenario === scenario && row.proxy !== 'fermat');
    if (!fermat || peers.length === 0) continue;
    const ratio = Math.min(...peers.map((row) => mediansOf(row.runs).p99Ms)) / fermat.p99Ms;
    const what = `${scenario}: p99 of the best peer in parts of fermat's`;
    targets.push({ what, measured: ratio.toFixed(2), target: `≥ ${P99_TARGET}`, isMet: ratio >= P99_TARGET });
  }
  return targets;
}

function namesOf(flag: string, given: string, known: readonly string[]): string[] {
  const names = given.split(',');
  for (const name of names) {
    if (!known.includes(name)) throw new RangeError(`${flag}: no ${name}; expected some of ${known.join(', ')}`);
  }
  return names;
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}
