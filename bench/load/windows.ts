// One window: load for some seconds, and what everybody burnt meanwhile. CPU of the proxy is its whole process tree's;
// what neither proxy, origin nor generator burnt is foreign, and told, since it colours latency.

import type { Generator, LoadResult } from '../support/load.ts';
import { cpuMs, machineCpuMs, ownCpuMs, type Running, treeOf } from '../support/process.ts';
import { baseOf } from './check.ts';
import type { Placement } from './cores.ts';
import type { Scenario } from './scenarios.ts';
import type { Stall } from './stable.ts';

/** One measured window. */
export interface Window extends LoadResult {
  readonly entrant: string;
  readonly round: number;
  /** CPU time of the proxy's process tree in this window. */
  readonly cpuMs: number;
  /** CPU time of everybody else (not proxy, origin or generator), as a share of one core. */
  readonly foreignRatio: number;
}

export interface Trial {
  readonly scenario: Scenario;
  readonly entrant: string;
  readonly peer: string;
  readonly stall: Stall;
  readonly origins: readonly Running[];
  readonly generator: Generator;
  readonly placement: Placement;
}

export function warmUp({ scenario, stall, generator, placement }: Trial, seconds: number): Promise<LoadResult> {
  return generator.run({ ...scenario.demand, base: baseOf(stall), seconds, core: placement.load });
}

export async function measureWindow(trial: Trial, round: number, seconds: number): Promise<Window> {
  const { stall, origins, generator, scenario, placement, entrant } = trial;
  const proxyTree = treeOf(stall.running.pid);
  const originTrees = origins.flatMap(({ pid }) => treeOf(pid));
  const before = [cpuMs(proxyTree), cpuMs(originTrees), ownCpuMs(), machineCpuMs()] as const;
  const load = { ...scenario.demand, base: baseOf(stall), seconds, core: placement.load };
  const result = await generator.run(load);
  const usedMs = cpuMs(proxyTree) - before[0];
  const ourMs = usedMs + cpuMs(originTrees) - before[1] + ownCpuMs() - before[2];
  const foreignMs = Math.max(0, machineCpuMs() - before[3] - ourMs);
  const foreignRatio = Number((foreignMs / (result.seconds * 1000)).toFixed(3));
  return { entrant, round, ...result, cpuMs: Number(usedMs.toFixed(2)), foreignRatio };
}
