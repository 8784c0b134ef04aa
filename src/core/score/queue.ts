// A queue that nobody planned: more in flight than the rate of requests and their usual time explain. It shows before the
// first slow answer is back, which a level of answered times cannot: whoever falls silent looks as quick as ever.

/** Beyond the mean by so many standard deviations (requests come by chance: Poisson), in flight is news. */
const SIGMAS = 2.5;
/** And by so many at least: clients send some at once, and a server that takes only one at a time is rare. */
const BURST = 3;
/** Who gets less than this part of a pool's requests may yet get all of them. */
const FEW_RATIO = 0.1;

/**
 * In flight to expect: the mean of late, or what `perMs` requests of `timeMs` come to: a rate that rises is no queue. Nor is
 * what an endpoint gets that had next to nothing, when another is lost: then it may be all that comes to the pool, `poolPerMs`.
 * Source: Little 1961, L = λW.
 */
export function usualInflight(meanInflight: number, perMs: number, poolPerMs: number, timeMs: number): number {
  const expectedPerMs = perMs < poolPerMs * FEW_RATIO ? poolPerMs : perMs;
  return Math.max(meanInflight, expectedPerMs * timeMs);
}

/** In flight from which on it is a queue. */
export function kneeOf(usual: number): number {
  return usual + Math.max(SIGMAS * Math.sqrt(usual) + 1, BURST);
}

/**
 * ms of wait that each request beyond the knee stands for: they came `1/perMs` apart, and none of them has left. Of rare
 * requests two at once are no queue: no more than the usual time each.
 */
export function excessMs(perMs: number, timeMs: number): number {
  return Math.min(1 / Math.max(perMs, 1e-9), timeMs);
}
