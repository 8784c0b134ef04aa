// Many edges before the same endpoints, simulated: each alone, each with digests of what the others measured (250 ms to 3 s old),
// and all of them one brain; beside an omniscient router and peers' policies on the same requests. Medians over the seeds in
// parts of the omniscient mean; written to bench/results/route-fleet.json, where a run replaces its own rows and leaves the rest.
//   npm run bench:route -- --fleet                                   16 edges, and 1 to 64 at a glance: under three minutes
//   npm run bench:route -- --fleet --edges 256 --endpoints 300 --seeds 1 --scenario steady,brownout --policy alone,shared-250

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { commandOf, machineOf } from '../support/machine.ts';
import { tableOf, writeResult } from '../support/report.ts';
import { type FleetFigures, simulateFleet } from './sim/fleet-run.ts';
import { FLEET_SCENARIOS, fleetScenarioOf } from './sim/fleet-scenarios.ts';
import { PROBE_SPEC } from './sim/node.ts';
import { isPeer, PEERS } from './sim/peers.ts';

const THREADS = 2;
const POLICIES = ['alone', 'shared-250', 'shared-1000', 'shared-3000', 'one'] as const;
/** From so many nodes on they tell less often (control/share). */
const MANY_NODES = 64;
/** How much a fleet may be worse than one that knows all, in parts of the omniscient mean; mean over the seeds. */
const APART = 0.03;
const RESULT = 'route-fleet';

interface Task {
  readonly nodes: number;
  readonly endpoints: number;
  readonly scenario: string;
  readonly seed: number;
  readonly policies: readonly string[];
}

interface Done {
  readonly task: Task;
  readonly oracle: FleetFigures;
  readonly byPolicy: Readonly<Record<string, FleetFigures>>;
}

interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

interface Row {
  readonly nodes: number;
  readonly endpoints: number;
  readonly scenario: string;
  readonly policy: string;
  readonly seeds: number;
  /** In parts of the omniscient router's. */
  readonly mean: Spread;
  readonly p99: Spread;
  readonly errorRatio: number;
  readonly wrongRatio: number;
  readonly swing: number;
  readonly herdSwing: number;
  readonly herdPeak: number;
  /** Of a node's digests. */
  readonly toldBytesPerS: number;
  readonly oracleMs: number;
  readonly oraclePeak: number;
  /** By how much its mean is above that of one brain on the same requests; mean over the seeds. null = that was not asked. */
  readonly beyondOne: number | null;
}

if (isMainThread) await main();
else for (const task of workerData as readonly Task[]) parentPort?.postMessage(run(task));

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      edges: { type: 'string' },
      endpoints: { type: 'string', default: '30' },
      seeds: { type: 'string', default: '5' },
      scenario: { type: 'string', default: Object.keys(FLEET_SCENARIOS).join(',') },
      policy: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const scenarios = flags.scenario.split(',');
  for (const name of scenarios) fleetScenarioOf(name);
  const policies = flags.policy?.split(',') ?? [...POLICIES, 'least-request', 'leasttime'];
  const unknown = policies.find((name) => !/^(alone|one|shared-\d+)$/.test(name) && !isPeer(name));
  if (unknown !== undefined) {
    throw new RangeError(`no policy ${unknown}: expected alone, one, shared-MS, ${Object.keys(PEERS).join(', ')}`);
  }
  const seeds = Array.from({ length: Number(flags.seeds) }, (_, i) => i + 1);
  const endpoints = Number(flags.endpoints);
  const tasksOf = (nodes: number, of: readonly string[], names: readonly string[], some: readonly number[]): Task[] =>
    of.flatMap((scenario) => some.map((seed) => ({ nodes, endpoints, scenario, seed, policies: names })));
  const glance = ['alone', 'shared-250'];
  const tasks =
    flags.edges === undefined
      ? [
          ...tasksOf(64, ['steady', 'brownout'], glance, [1]),
          ...tasksOf(16, scenarios, policies, seeds),
          ...tasksOf(1, ['steady'], ['alone'], seeds),
          ...tasksOf(4, ['steady', 'brownout'], glance, seeds),
        ]
      : flags.edges.split(',').flatMap((nodes) => tasksOf(Number(nodes), scenarios, policies, seeds));
  report(rowsOf(await runAll(tasks)), flags.json);
}

/** Every policy on the requests of one task. Seeds take turns at the two clouds' matrices. */
function run(task: Task): Done {
  const { nodes, endpoints, scenario, seed, policies } = task;
  const provider = seed % 2 === 1 ? 'aws' : 'gcp';
  const base = { nodes, endpoints, scenario, seed, provider, share: null } as const;
  const intervalMs = PROBE_SPEC.intervalMs * Math.max(nodes / MANY_NODES, 1);
  const byPolicy = policies.map((name): [string, FleetFigures] => {
    const delayMs = Number(/^shared-(\d+)$/.exec(name)?.[1] ?? Number.NaN);
    if (!Number.isNaN(delayMs)) {
      return [name, simulateFleet({ ...base, policy: 'fermat', share: { delayMs, intervalMs } })];
    }
    return [name, simulateFleet({ ...base, policy: name === 'alone' ? 'fermat' : name })];
  });
  return {
    task,
    oracle: simulateFleet({ ...base, policy: 'oracle-a' }),
    byPolicy: Object.fromEntries(byPolicy),
  };
}

async function runAll(tasks: readonly Task[]): Promise<Done[]> {
  const done: Done[] = [];
  const threads = Array.from({ length: THREADS }, (_, t) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: tasks.filter((_, i) => i % THREADS === t) });
    return new Promise<void>((resolve, reject) => {
      worker.on('message', (result: Done) => {
        done.push(result);
        process.stderr.write(`\r${done.length} of ${tasks.length}: ${result.task.scenario.padEnd(20)}`);
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  });
  await Promise.all(threads);
  process.stderr.write('\n');
  return done;
}

function rowsOf(all: readonly Done[]): Row[] {
  const groups = new Map<string, Done[]>();
  for (const done of all) {
    const { nodes, endpoints, scenario } = done.task;
    const key = `${nodes} ${endpoints} ${scenario}`;
    groups.set(key, [...(groups.get(key) ?? []), done]);
  }
  return [...groups.values()].flatMap((group) =>
    group[0]!.task.policies.map((policy): Row => {
      const { nodes, endpoints, scenario } = group[0]!.task;
      const of = (figure: (f: FleetFigures) => number) => group.map((d) => figure(d.byPolicy[policy]!));
      const ratio = (figure: (f: FleetFigures) => number) =>
        spreadOf(group.map((d) => figure(d.byPolicy[policy]!) / figure(d.oracle)));
      const median = (figure: (f: FleetFigures) => number) => spreadOf(of(figure)).median;
      return {
        nodes,
        endpoints,
        scenario,
        policy,
        seeds: group.length,
        mean: ratio((f) => f.meanMs),
        p99: ratio((f) => f.p99Ms),
        errorRatio: median((f) => f.errorRatio),
        wrongRatio: median((f) => f.wrongRatio),
        swing: median((f) => f.swing),
        herdSwing: median((f) => f.herdSwing),
        herdPeak: median((f) => f.herdPeak),
        toldBytesPerS: median((f) => f.toldBytesPerS),
        oracleMs: spreadOf(group.map((d) => d.oracle.meanMs)).median,
        oraclePeak: spreadOf(group.map((d) => d.oracle.herdPeak)).median,
        beyondOne: beyondOneOf(group, policy),
      };
    }),
  );
}

/** Seed by seed, since what differs between two draws of regions is far more than what differs between policies. */
function beyondOneOf(group: readonly Done[], policy: string): number | null {
  let sum = 0;
  for (const { byPolicy, oracle } of group) {
    if (byPolicy.one === undefined) return null;
    sum += (byPolicy[policy]!.meanMs - byPolicy.one.meanMs) / oracle.meanMs;
  }
  return sum / group.length;
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}

function report(fresh: readonly Row[], isJson: boolean): void {
  const keyOf = ({ nodes, endpoints, scenario, policy }: Row) => `${nodes} ${endpoints} ${scenario} ${policy}`;
  const replaced = new Set(fresh.map(keyOf));
  const rows = [...fresh, ...before().filter((row) => !replaced.has(keyOf(row)))];
  rows.sort((a, b) => a.nodes - b.nodes || a.endpoints - b.endpoints);
  const path = writeResult(RESULT, {
    at: new Date().toISOString(),
    command: commandOf('bench/route/fleet.ts'),
    machine: machineOf(),
    targets: targetsOf(rows),
    rows,
  });
  if (isJson) process.stdout.write(`${JSON.stringify(fresh, null, 2)}\n`);
  else print(fresh);
  process.stderr.write(`${path}\n`);
}

/** What earlier runs left; none if there was none. */
function before(): readonly Row[] {
  try {
    const path = new URL(`../results/${RESULT}.json`, import.meta.url);
    return (JSON.parse(readFileSync(path, 'utf8')) as { rows: Row[] }).rows;
  } catch {
    return [];
  }
}

/** 16 nodes with digests 250 ms old beside one that knows all. */
function targetsOf(rows: readonly Row[]): { scenario: string; apart: number; isMet: boolean }[] {
  return Object.keys(FLEET_SCENARIOS).flatMap((scenario) => {
    const shared = rows.find(
      (r) => r.nodes === 16 && r.endpoints === 30 && r.scenario === scenario && r.policy === 'shared-250',
    );
    const apart = shared?.beyondOne ?? null;
    return apart === null ? [] : [{ scenario, apart, isMet: apart <= APART }];
  });
}

function print(rows: readonly Row[]): void {
  const percent = (ratio: number) => `${(ratio * 100).toFixed(2)} %`;
  const head = ['', 'mean', 'least … most', 'p99', 'errors', 'wrong', 'swing', 'herd', 'peak', 'told B/s'];
  const groups = [...new Set(rows.map((r) => `${r.nodes} ${r.endpoints} ${r.scenario}`))];
  for (const group of groups) {
    const of = rows.filter((r) => `${r.nodes} ${r.endpoints} ${r.scenario}` === group);
    const { nodes, endpoints, scenario, oracleMs } = of[0]!;
    const lines = of.map((r) => [
      r.policy,
      r.mean.median.toFixed(3),
      `${r.mean.least.toFixed(3)} … ${r.mean.most.toFixed(3)}`,
      r.p99.median.toFixed(2),
      percent(r.errorRatio),
      percent(r.wrongRatio),
      r.swing.toFixed(3),
      r.herdSwing.toFixed(3),
      r.herdPeak.toFixed(2),
      r.toldBytesPerS.toFixed(0),
    ]);
    const { story } = fleetScenarioOf(scenario);
    const title = `${nodes} edges, ${endpoints} endpoints, ${scenario}: ${story}; omniscient ${oracleMs.toFixed(1)} ms`;
    process.stdout.write(`\n${title}\n${tableOf(head, lines)}\n`);
  }
  const targets = targetsOf(rows);
  if (targets.length === 0) return;
  const lines = targets.map(({ scenario, apart, isMet }) => [scenario, apart.toFixed(3), isMet ? 'met' : 'MISSED']);
  process.stdout.write(
    `\n${tableOf(['16 edges, 250 ms old, beside one that knows all: ≤ 0.03', 'apart', ''], lines)}\n`,
  );
}
