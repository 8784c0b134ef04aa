// What is asked of the world in one run: every request with its moment, its node, its service time and its luck, drawn
// beforehand from streams of their own, so that every policy faces the same requests.

import { seeded } from '../../../src/core/selector.ts';

export interface JobSpec {
  /** Mean service time, and the deviation of its logarithm. ms. */
  readonly meanMs: number;
  readonly sigma: number;
  /** So many of the requests are heavy, and take that many times as long. */
  readonly heavyRatio?: number;
  readonly heavyFactor?: number;
}

export interface Jobs {
  readonly count: number;
  readonly atMs: Float64Array;
  readonly node: Int32Array;
  readonly serviceMs: Float64Array;
  /** Standard normal, for the round trip; uniform, for failures. */
  readonly normal: Float64Array;
  readonly chance: Float64Array;
}

/** Two draws of `random` make one of the standard normal distribution (Box and Muller, 1958). */
export function normalOf(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/**
 * Poisson arrivals at a rate that changes (thinning: Lewis and Shedler, 1979), up to `untilMs`. `rateOf` of an edge, requests/s,
 * never above `mostPerS`; nodes `edge, edge + edges, …` share it evenly.
 */
export function drawJobs(
  seed: number,
  untilMs: number,
  spec: JobSpec,
  edges: number,
  nodes: number,
  mostPerS: number,
  rateOf: (ms: number, edge: number) => number,
): Jobs {
  const size = Math.ceil(((mostPerS * edges * untilMs) / 1000) * 1.2 + 1000);
  const [atMs, node, serviceMs] = [new Float64Array(size), new Int32Array(size), new Float64Array(size)];
  const [normal, chance] = [new Float64Array(size), new Float64Array(size)];
  const [when, what, how] = [seeded(seed * 7 + 1), seeded(seed * 7 + 2), seeded(seed * 7 + 3)];
  const mu = Math.log(spec.meanMs) - (spec.sigma * spec.sigma) / 2;
  let count = 0;
  for (let ms = 0; count < size; ) {
    ms -= (Math.log(1 - when()) * 1000) / (mostPerS * edges);
    if (ms >= untilMs) break;
    const edge = Math.floor(when() * edges);
    if (when() * mostPerS >= rateOf(ms, edge)) continue;
    atMs[count] = ms;
    node[count] = edge + Math.floor((when() * nodes) / edges) * edges;
    const heavy = what() < (spec.heavyRatio ?? 0) ? (spec.heavyFactor ?? 1) : 1;
    serviceMs[count] = Math.exp(mu + spec.sigma * normalOf(what)) * heavy;
    normal[count] = normalOf(how);
    chance[count] = how();
    count++;
  }
  return { count, atMs, node, serviceMs, normal, chance };
}
