// The score against an omniscient router and against what others do, simulated: the product's own code, every scenario, every
// policy, several seeds, both matrices. Prints means over the seeds in parts of oracle A's figures, and writes them to
// bench/results/route-sim.json. `--trace` shows one run second by second instead, with the terms of every candidate.

import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { LatencyProvider } from '../../geoip/latency.ts';
import { commandOf, machineOf } from '../support/machine.ts';
import { tableOf, writeResult } from '../support/report.ts';
import { PEERS } from './sim/peers.ts';
import { type Compared, compare, simulate } from './sim/run.ts';
import { SCENARIOS, scenarioOf } from './sim/scenarios.ts';
import { beatenBy, type Means, verdictsOf } from './sim/targets.ts';
import { traceRun } from './sim/trace.ts';

const POLICY_NAMES = ['oracle-b', 'fermat', 'fermat-told', ...Object.keys(PEERS)];
const THREADS = 2;

/** What one thread does at a time: oracle A once, and every policy on the same requests. */
interface Task {
  readonly scenario: string;
  readonly provider: LatencyProvider;
  readonly seed: number;
}

interface Done extends Task {
  readonly byPolicy: Readonly<Record<string, Compared>>;
  readonly oracleMs: number;
}

if (isMainThread) await main();
else work(workerData.tasks, workerData.policies);

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      policy: { type: 'string', default: POLICY_NAMES.join(',') },
      scenario: { type: 'string', default: Object.keys(SCENARIOS).join(',') },
      seeds: { type: 'string', default: '5' },
      seed: { type: 'string', default: '1' },
      provider: { type: 'string', default: 'both' },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
    },
  });
  const scenarios = flags.scenario.split(',');
  for (const name of scenarios) scenarioOf(name);
  const policies = flags.policy.split(',');
  const providers = providersOf(flags.provider);
  if (flags.trace) {
    traceRun({
      policy: policies.length > 1 ? 'fermat' : policies[0]!,
      scenario: scenarios[0]!,
      seed: Number(flags.seed),
      provider: providers[0]!,
    });
    return;
  }
  const seeds = Array.from({ length: Number(flags.seeds) }, (_, i) => Number(flags.seed) + i);
  const tasks = scenarios.flatMap((scenario) =>
    providers.flatMap((provider) => seeds.map((seed): Task => ({ scenario, provider, seed }))),
  );
  const done = await runAll(tasks, policies);
  const means = scenarios.map((scenario) => ({
    scenario,
    policies: policies.map((policy) => ({
      policy,
      ...meansOf(done.filter((d) => d.scenario === scenario).map((d) => d.byPolicy[policy]!)),
    })),
  }));
  if (flags.json) process.stdout.write(`${JSON.stringify(means, null, 2)}\n`);
  else {
    print(means);
    printTargets(means);
  }
  const path = writeResult('route-sim', {
    at: new Date().toISOString(),
    command: commandOf('bench/route/sim.ts'),
    machine: machineOf(),
    seeds,
    providers,
    means,
    targets: verdictsOf(means),
    beatenBy: beatenBy(means),
    oracleMs: done.map(({ scenario, provider, seed, oracleMs }) => ({ scenario, provider, seed, oracleMs })),
  });
  process.stderr.write(`${path}\n`);
}

function providersOf(name: string): readonly LatencyProvider[] {
  if (name === 'both') return ['aws', 'gcp'];
  if (name === 'aws' || name === 'gcp') return [name];
  throw new RangeError(`no provider ${name}: expected aws, gcp or both`);
}

/** Spreads the tasks over the threads; says on stderr how far it is. */
async function runAll(tasks: readonly Task[], policies: readonly string[]): Promise<Done[]> {
  const done: Done[] = [];
  const threads = Array.from({ length: THREADS }, (_, t) => {
    const mine = tasks.filter((_, i) => i % THREADS === t);
    const worker = new Worker(new URL(import.meta.url), { workerData: { tasks: mine, policies } });
    return new Promise<void>((resolve, reject) => {
      worker.on('message', (result: Done) => {
        done.push(result);
        process.stderr.write(`\r${done.length} of ${tasks.length}: ${result.scenario.padEnd(20)}`);
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  });
  await Promise.all(threads);
  process.stderr.write('\n');
  return done;
}

function work(tasks: readonly Task[], policies: readonly string[]): void {
  for (const task of tasks) {
    const oracle = simulate({ ...task, policy: 'oracle-a' });
    const byPolicy = Object.fromEntries(policies.map((policy) => [policy, compare({ ...task, policy }, oracle)]));
    parentPort?.postMessage({ ...task, byPolicy, oracleMs: oracle.meanMs } satisfies Done);
  }
}

/** Of every figure; `movedMs` over those that moved, null if not all did. */
function meansOf(all: readonly Compared[]): Compared {
  const mean = (of: (c: Compared) => number) => all.reduce((sum, c) => sum + of(c), 0) / all.length;
  return {
    requests: mean((c) => c.requests),
    meanMs: mean((c) => c.meanMs),
    p50Ms: mean((c) => c.p50Ms),
    p99Ms: mean((c) => c.p99Ms),
    errorRatio: mean((c) => c.errorRatio),
    wrongRatio: mean((c) => c.wrongRatio),
    homeRatio: mean((c) => c.homeRatio),
    leastShare: mean((c) => c.leastShare),
    mostShare: mean((c) => c.mostShare),
    switches: mean((c) => c.switches),
    ejections: mean((c) => c.ejections),
    movedMs: all.some((c) => c.movedMs === null) ? null : mean((c) => c.movedMs!),
    mean: mean((c) => c.mean),
    p50: mean((c) => c.p50),
    p99: mean((c) => c.p99),
  };
}

function print(means: readonly Means[]): void {
  const percent = (ratio: number) => `${(ratio * 100).toFixed(1)}%`;
  const head = ['', 'mean', 'p50', 'p99', 'errors', 'wrong', 'home', 'least', 'switches/10s', 'ejected', 'moved ms'];
  for (const { scenario, policies } of means) {
    const { story } = scenarioOf(scenario);
    const rows = policies.map((p) => [
      p.policy,
      p.mean.toFixed(3),
      p.p50.toFixed(3),
      p.p99.toFixed(3),
      percent(p.errorRatio),
      percent(p.wrongRatio),
      percent(p.homeRatio),
      p.leastShare.toFixed(2),
      p.switches.toFixed(2),
      p.ejections.toFixed(1),
      p.movedMs === null ? '–' : p.movedMs.toFixed(0),
    ]);
    process.stdout.write(`\n${scenario}: ${story}\n${tableOf(head, rows)}\n`);
  }
}

/** The targets, and every peer that beats us; nothing when we were not run. */
function printTargets(means: readonly Means[]): void {
  const verdicts = verdictsOf(means).filter(({ isMet }) => isMet !== null);
  if (verdicts.length > 0) {
    const rows = verdicts.map(({ target, measured, isMet }) => [target, measured, isMet ? 'met' : 'MISSED']);
    process.stdout.write(`\n${tableOf(['target', 'measured', ''], rows)}\n`);
  }
  const beaten = beatenBy(means).map(({ scenario, policy, ratio }) => [scenario, policy, ratio.toFixed(3)]);
  if (beaten.length > 0) {
    process.stdout.write(`\n${tableOf(['beaten by more than 3 % in', 'by', 'our mean / theirs'], beaten)}\n`);
  }
}
