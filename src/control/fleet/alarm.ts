// What cannot wait for the next tick: attempts that fail, and answers that are late several times in a row. Looked for in the
// samples as they come, at a glance; what they mean is found out by the tick.

import { OUTCOME, SAMPLE } from '../../core/sample.ts';
import type { Known } from './known.ts';

/** So many failures since the last tick, or late answers of one endpoint in a row. */
const FAILURES = 2;
const LATE = 3;
/** Late is beyond this many times what was expected, and some ms. */
const LATE_RATIO = 1.5;
const LATE_MS = 5;

export class Alarm {
  isRaised = false;
  #failures = 0;

  /** One new sample, of `k` if its endpoint is still there. */
  look(ring: Float64Array, base: number, k: Known | undefined): void {
    if (k === undefined || k.spec.generation !== ring[base + SAMPLE.GENERATION]) return;
    if (ring[base + SAMPLE.OUTCOME]! >= OUTCOME.TOO_MANY) {
      if (++this.#failures >= FAILURES) this.isRaised = true;
      return;
    }
    const ms = ring[base + SAMPLE.FIRST_BYTE_MS]!;
    if (ms < 0) return;
    k.lateInRow = ms > k.expectedMs * LATE_RATIO + LATE_MS ? k.lateInRow + 1 : 0;
    if (k.lateInRow >= LATE) this.isRaised = true;
  }

  reset(): void {
    this.isRaised = false;
    this.#failures = 0;
  }
}
