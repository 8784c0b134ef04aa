// How late the machine itself is: a timer in a process that has nothing else to do, and what its lateness is at the 99th percentile.
// A neighbour on the same cores shows here as it shows in the latencies of a row; so limits on those are widened by it.

import type { Figure } from './case.ts';

const TICK_MS = 5;

/** Begins to listen; the function ends it and gives the lateness at p99, ms. */
export function listen(): () => number {
  const lateMs: number[] = [];
  let dueMs = performance.now() + TICK_MS;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    lateMs.push(Math.max(0, nowMs - dueMs));
    dueMs = nowMs + TICK_MS;
  }, TICK_MS);
  return () => {
    clearInterval(timer);
    lateMs.sort((a, b) => a - b);
    return lateMs[Math.floor(0.99 * lateMs.length)] ?? 0;
  };
}

/** A latency with an upper limit may be as much later as the machine was; everything else stays as it is. */
export function widened(figure: Figure, noiseMs: number): Figure {
  const { isFirm, unit, atMost } = figure;
  if (isFirm || atMost === undefined || (unit !== 'ms' && unit !== 's')) return figure;
  return { ...figure, atMost: atMost + (unit === 's' ? noiseMs / 1000 : noiseMs) };
}
