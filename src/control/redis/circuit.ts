// Whether Redis is asked at all. After a few calls in a row that got no answer nobody asks for a while, so that a Redis that
// hangs costs neither time nor memory; then one trial decides. How long it is left alone grows, with full jitter, so that a
// fleet does not come back in one moment. Knows no clock.

/** Calls in a row without an answer; one or two may be lost to a fail-over. */
const FAILURES = 3;
const FIRST_MS = 100;
const LONGEST_MS = 5000;
/** Less is no pause. */
const LEAST_MS = 50;

/**
 * ms to wait before the `attempt`-th further try (0 = the first): anything up to a bound that doubles, at most 5 s.
 * Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015 ("full jitter").
 */
export function backOffMs(attempt: number, random: () => number): number {
  return Math.max(random() * Math.min(FIRST_MS * 2 ** Math.min(attempt, 16), LONGEST_MS), LEAST_MS);
}

export class Circuit {
  #failures = 0;
  #trials = 0;
  #isOpen = false;

  /** Nobody is to ask but the trial. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** A call, or the trial, got no answer. Gives after how many ms to try; null = go on asking, or a trial is due already. */
  failed(isTrial: boolean, random: () => number): number | null {
    this.#failures++;
    if (this.#isOpen !== isTrial || this.#failures < FAILURES) return null;
    this.#isOpen = true;
    return backOffMs(this.#trials++, random);
  }

  /** Something was answered, be it a refusal. */
  answered(): void {
    this.#failures = 0;
    this.#trials = 0;
    this.#isOpen = false;
  }
}
