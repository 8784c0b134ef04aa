// One run: fresh origins, one fresh proxy before them, the load, the events on the load's clock, and the figures. A run ends
// all that it started, however it ends.

import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { seeded } from '../../../src/core/selector.ts';
import {
  accepting,
  cpuMs,
  freePort,
  machineCpuMs,
  ownCpuMs,
  type Running,
  start,
  treeOf,
} from '../../support/process.ts';
import { Fleet } from './fleet.ts';
import { type Figures, figuresOf, type Truth } from './judge.ts';
import { openLoop, plannedMs } from './load.ts';
import type { Report } from './origin.ts';
import type { Contender } from './proxies.ts';
import { COUNTED_MS, type Scenario, stepsOf, WARM_MS } from './scenarios.ts';

export interface Task {
  /** null = straight to the nearest origin. */
  readonly proxy: Contender | null;
  readonly scenario: Scenario;
  readonly perSecond: number;
  /** Arrivals, service times and failures: the same for every proxy. */
  readonly seed: number;
  readonly signal: AbortSignal;
  /** What Fermat says of itself at the end goes here too. */
  readonly explains: boolean;
}

export interface Result extends Figures {
  /** Of the whole machine in the counted time, 0…1. */
  readonly cpuRatio: number;
  /** The same, only of this bench: load, proxy and origins. The rest is somebody else at work. */
  readonly ownCpuRatio: number;
  /** Of the proxy, per request, µs; null without one. */
  readonly proxyCpuMicros: number | null;
  readonly origins: readonly (Report | null)[];
  /** Answers of the admin API by path, after the last request. */
  readonly explained?: Readonly<Record<string, unknown>>;
}

const ADMIN_PATHS = ['/api/v1/explain?client=127.0.0.1&path=/&method=GET', '/api/v1/endpoints'];
const ADMIN_TIMEOUT_MS = 5000;

export async function run(task: Task): Promise<Result> {
  const fleet = await Fleet.start(task.seed);
  const folder = mkdtempSync(join(tmpdir(), 'fermat-real-'));
  let running: Running | null = null;
  try {
    task.signal.throwIfAborted();
    const [port, adminPort] = task.proxy ? [await freePort(), await freePort()] : [fleet.ports[0]!, 0];
    if (task.proxy) {
      const command = task.proxy.command({ port, adminPort, originPorts: fleet.ports, folder });
      running = start(null, command[0], command.slice(1));
      await accepting(port, running);
    }
    return await measure(task, fleet, running, port, adminPort);
  } finally {
    await Promise.all([running?.stop(), fleet.end()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(
  { scenario, perSecond, seed, signal, explains, proxy }: Task,
  fleet: Fleet,
  running: Running | null,
  port: number,
  adminPort: number,
): Promise<Result> {
  const planned = plannedMs(
    stepsOf(scenario, perSecond),
    WARM_MS + (scenario.countedMs ?? COUNTED_MS),
    seeded(seed * 104_729),
  );
  const truths: Truth[] = [{ fromMs: 0, ms: fleet.truthMs() }];
  const startMs = performance.now();
  const loading = openLoop(port, planned, signal);
  await pause(startMs + WARM_MS - performance.now(), signal);
  const before = { machineMs: machineCpuMs(), benchMs: benchCpuMs(), proxyMs: cpuOf(running) };
  for (const { atMs, does } of scenario.events) {
    await pause(startMs + atMs - performance.now(), signal);
    await does(fleet);
    truths.push({ fromMs: performance.now() - startMs, ms: fleet.truthMs() });
  }
  const answers = await loading;
  signal.throwIfAborted();
  const tookMs = performance.now() - startMs - WARM_MS;
  const machineMs = tookMs * cpus().length;
  const cpuRatio = (machineCpuMs() - before.machineMs) / machineMs;
  const ownCpuRatio = (benchCpuMs() - before.benchMs) / machineMs;
  const figures = figuresOf(answers, WARM_MS, truths);
  return {
    ...figures,
    cpuRatio,
    ownCpuRatio,
    proxyCpuMicros: running && ((cpuOf(running) - before.proxyMs) * 1000) / figures.requests,
    origins: await fleet.reports(),
    ...(explains && proxy ? { explained: await explainedBy(adminPort) } : {}),
  };
}

function cpuOf(running: Running | null): number {
  return running ? cpuMs(treeOf(running.pid)) : 0;
}

/** Of this process and all below it, those that have ended too, ms. */
function benchCpuMs(): number {
  return ownCpuMs() + cpuMs(treeOf(process.pid).slice(1));
}

async function explainedBy(adminPort: number): Promise<Record<string, unknown>> {
  const said: Record<string, unknown> = {};
  for (const path of ADMIN_PATHS) {
    const response = await fetch(`http://127.0.0.1:${adminPort}${path}`, {
      signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS),
    });
    said[path] = await response.json();
  }
  return said;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', stop);
        resolve();
      },
      Math.max(0, ms),
    );
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
