// A count that only grows, as a rate over the last ten seconds or so.

const TAU_MS = 10_000;

export class Rate {
  perS = 0;
  #count = Number.NaN;
  #atMs = 0;

  count(count: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs;
    if (!Number.isNaN(this.#count) && elapsedMs > 0) {
      const perS = ((count - this.#count) * 1000) / elapsedMs;
      this.perS += (perS - this.perS) * (1 - Math.exp(-elapsedMs / TAU_MS));
    }
    this.#count = count;
    this.#atMs = nowMs;
  }
}
