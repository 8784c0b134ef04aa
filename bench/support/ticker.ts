// An idle process: sleeps a millisecond at a time, and notes when it was woken late. What it misses nobody on its core got:
// the hypervisor, the kernel or other processes had it. Prints the gaps as JSON, [[startMs, endMs], …] of the machine's clock.
// node ticker.ts SECONDS LEAST_GAP_MS

import { machineMs, type Span } from './clock.ts';

const TICK_MS = 1;
const [seconds, leastGapMs] = process.argv.slice(2).map(Number) as [number, number];
const never = new Int32Array(new SharedArrayBuffer(4));
const gaps: Span[] = [];

const endMs = machineMs() + seconds * 1000;
for (let lastMs = machineMs(); lastMs < endMs; ) {
  Atomics.wait(never, 0, 0, TICK_MS);
  const nowMs = machineMs();
  if (nowMs - lastMs - TICK_MS > leastGapMs) gaps.push([lastMs + TICK_MS, nowMs]);
  lastMs = nowMs;
}
console.log(JSON.stringify(gaps));
