// One monotonic clock for all threads of the process. `performance.now()` alone counts from each thread's own start, and
// the wall clock jumps; samples written by a worker are dated on the same axis as the control plane reads them.

import { performance } from 'node:perf_hooks';

const [seconds, nanos] = process.hrtime();
const offsetMs = seconds * 1000 + nanos / 1e6 - performance.now();

/** Milliseconds on the process-wide monotonic clock; comparable between threads, never with a date. */
export function nowMs(): number {
  return performance.now() + offsetMs;
}
