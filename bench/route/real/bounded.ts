// A server of bounded capacity, in numbers alone: c workers, one queue, first come first served. Each arrival is told at once
// when it will be done, so that an origin needs one timer a request, and a late timer delays nobody else.

export class Bounded {
  readonly #freeAtMs: number[];

  constructor(workers: number) {
    this.#freeAtMs = Array.from({ length: workers }, () => 0);
  }

  /** When a job that arrives at `atMs` and takes `serviceMs` is done, ms on the same clock. Arrivals in order. */
  doneAtMs(atMs: number, serviceMs: number): number {
    let first = 0;
    for (let i = 1; i < this.#freeAtMs.length; i++) if (this.#freeAtMs[i]! < this.#freeAtMs[first]!) first = i;
    const doneMs = Math.max(atMs, this.#freeAtMs[first]!) + serviceMs;
    this.#freeAtMs[first] = doneMs;
    return doneMs;
  }
}

/** Lognormal service times, ms, of this mean; `sigma` is the deviation of the logarithm. */
export function serviceMsOf(meanMs: number, sigma: number, random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return meanMs * Math.exp(sigma * normal - (sigma * sigma) / 2);
}
