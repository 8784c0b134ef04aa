// What hedging is worth, and what is lost without it when one endpoint of many is slow: figures from the real process, open-loop
// load and origins in processes of their own. `node test/faults/hedge.ts` prints them.

import type { Behaviour } from './behaviour.ts';
import { nowMs, type Phase, startLoad } from './load.ts';
import { type FaultRig, pause, startRig, WARM_UP_MS, WELL } from './rig.ts';

const RATE = 300;
/** One answer of a hundred takes a second, at whichever endpoint. */
const HEAVY_TAIL: Behaviour = { ...WELL, lateShare: 0.01, lateMs: 1000 };
const BUDGET_PERCENT = 2;

export interface Latencies {
  readonly requests: number;
  readonly lost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface HedgingFigures {
  readonly without: Latencies;
  readonly hedged: Latencies;
  /** Requests at the endpoints beyond those of the clients, while hedging. */
  readonly extraPercent: number;
  /** How many times shorter p99.9 became. */
  readonly cut: number;
}

/** Three endpoints with a heavy tail, 300 requests/s, with hedging and without. */
export async function measureHedging(isQuick = false): Promise<HedgingFigures> {
  const forMs = isQuick ? 5000 : 25_000;
  const plain = await tailOf({}, forMs);
  const hedged = await tailOf({ enabled: true, budgetPercent: BUDGET_PERCENT }, forMs);
  return {
    without: plain.latencies,
    hedged: hedged.latencies,
    extraPercent: hedged.extraPercent,
    cut: plain.latencies.p999Ms / hedged.latencies.p999Ms,
  };
}

async function tailOf(hedge: object, forMs: number): Promise<{ latencies: Latencies; extraPercent: number }> {
  await using rig = await startRig({ pool: { hedge } });
  await Promise.all(rig.origins.map((origin) => origin.behave(HEAVY_TAIL, WELL)));
  const before = await requestsAt(rig);
  await using load = await startLoad(rig.port, RATE);
  await pause(WARM_UP_MS);
  const fromMs = nowMs();
  await pause(forMs);
  const all = await load.end();
  const extra = (await requestsAt(rig)) - before - all.requests;
  return { latencies: latenciesOf(all.between(fromMs)), extraPercent: (100 * extra) / all.requests };
}

async function requestsAt({ origins }: FaultRig): Promise<number> {
  const tallies = await Promise.all(origins.map((origin) => origin.tally()));
  return tallies.reduce((sum, { requests }) => sum + requests, 0);
}

function latenciesOf(phase: Phase): Latencies {
  return {
    requests: phase.requests,
    lost: phase.lost(),
    p50Ms: phase.quantileMs(0.5),
    p99Ms: phase.quantileMs(0.99),
    p999Ms: phase.quantileMs(0.999),
  };
}

export interface SlowOneFigures {
  readonly requests: number;
  readonly lost: number;
  readonly withinASecondPercent: number;
}

/** Eleven endpoints, of which one begins to take five seconds for everything; 200 requests/s, nothing hedged. */
export async function measureSlowOne(isQuick = false): Promise<SlowOneFigures> {
  await using rig = await startRig({ origins: 11 });
  await using load = await startLoad(rig.port, 200);
  await pause(WARM_UP_MS);
  const fromMs = nowMs();
  await rig.origins[0]!.behave({ ...WELL, headMs: 5000 }, WELL);
  await pause(isQuick ? 5000 : 30_000);
  const phase = (await load.end()).between(fromMs);
  const withinASecondPercent = 100 * (1 - phase.slowerThan(1000) / phase.requests);
  return { requests: phase.requests, lost: phase.lost(), withinASecondPercent };
}

if (process.argv[1] === import.meta.filename) {
  console.log(await measureHedging());
  console.log(await measureSlowOne());
  process.exit();
}
