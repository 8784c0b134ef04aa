// What learning and asking when an answer is late costs a request of a pool that hedges, and what it allocates: nothing.
// Run: node --expose-gc bench/micro/quantile.ts

import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { newTimes, timesAdd, timesQuantile } from '../../src/core/quantile.ts';
import { seeded } from '../../src/core/selector.ts';

const OPS = 100_000;
const ROUNDS = 15;

interface Figure {
  readonly name: string;
  readonly nsPerOp: number;
  readonly bytesPerOp: number;
}

/** Exponential around 40 ms. */
const random = seeded(1);
const TIMES = Float64Array.from({ length: OPS }, () => -40 * Math.log(1 - random()));

export function bench(): Figure[] {
  const times = newTimes(0);
  const add = () => {
    for (let i = 0; i < OPS; i++) timesAdd(times, TIMES[i]!, i);
  };
  let sum = 0;
  const ask = () => {
    let round = 0;
    for (let i = 0; i < OPS; i++) round += timesQuantile(times, 0.95);
    sum += round;
  };
  const figures = [measured('one time learned', add), measured('the 95th percentile', ask)];
  if (!(sum > 0)) throw new Error(`expected times, got a sum of ${sum}`);
  return figures;
}

function measured(name: string, run: () => void): Figure {
  let ns = Infinity;
  let bytes = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    const start = process.hrtime.bigint();
    run();
    ns = Math.min(ns, Number(process.hrtime.bigint() - start) / OPS);
    bytes = Math.min(bytes, Math.max(process.memoryUsage().heapUsed - before, 0) / OPS);
  }
  return { name, nsPerOp: Number(ns.toFixed(1)), bytesPerOp: bytes };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}`);
  console.table(bench());
}
