// When simulated requests end: a binary heap of moments, each with a number that says which. Two growing arrays, no objects.

import { NONE } from '../../core/snapshot.ts';

export class Departures {
  readonly #atMs: number[] = [];
  readonly #which: number[] = [];

  /** O(log n). `which` ≥ 0. */
  add(atMs: number, which: number): void {
    let i = this.#atMs.length;
    this.#atMs.push(atMs);
    this.#which.push(which);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.#atMs[parent]! <= atMs) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#atMs[i] = atMs;
    this.#which[i] = which;
  }

  /** Takes out the first that ends by `nowMs`; NONE when there is none. O(log n). */
  before(nowMs: number): number {
    if (this.#atMs.length === 0 || this.#atMs[0]! > nowMs) return NONE;
    const first = this.#which[0]!;
    const lastMs = this.#atMs.pop()!;
    const last = this.#which.pop()!;
    const n = this.#atMs.length;
    if (n === 0) return first;
    let i = 0;
    for (let child = 1; child < n; child = 2 * i + 1) {
      if (child + 1 < n && this.#atMs[child + 1]! < this.#atMs[child]!) child++;
      if (this.#atMs[child]! >= lastMs) break;
      this.#move(child, i);
      i = child;
    }
    this.#atMs[i] = lastMs;
    this.#which[i] = last;
    return first;
  }

  #move(from: number, to: number): void {
    this.#atMs[to] = this.#atMs[from]!;
    this.#which[to] = this.#which[from]!;
  }
}
