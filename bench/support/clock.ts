// One clock for several processes: CLOCK_MONOTONIC in milliseconds, which all of a machine read alike.

/** ms since the machine started, to the microsecond. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export type Span = readonly [startMs: number, endMs: number];

/** How much of `span` the others cover, ms; they may overlap each other. */
export function coveredMs(span: Span, others: readonly Span[]): number {
  const parts = others
    .map(([startMs, endMs]): Span => [Math.max(startMs, span[0]), Math.min(endMs, span[1])])
    .filter(([startMs, endMs]) => endMs > startMs)
    .sort((a, b) => a[0] - b[0]);
  let sumMs = 0;
  let untilMs = Number.NEGATIVE_INFINITY;
  for (const [startMs, endMs] of parts) {
    sumMs += Math.max(0, endMs - Math.max(startMs, untilMs));
    untilMs = Math.max(untilMs, endMs);
  }
  return sumMs;
}

export function longestMs(spans: readonly Span[]): number {
  return spans.reduce((longest, [startMs, endMs]) => Math.max(longest, endMs - startMs), 0);
}
