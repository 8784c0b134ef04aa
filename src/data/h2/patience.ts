// How much work that leads nowhere a peer may ask for: requests it takes back before they are answered (rapid reset,
// CVE-2023-44487), control frames, empty frames. A bucket that useful work fills again, so that a busy honest peer never
// meets it and a flood is over within its first few hundred frames.

const BURST = 400;
/** Per second, for a peer that is merely idle and talkative. */
const REFILL_PER_S = 50;

/** What things cost, and what is earned. */
export const COST = {
  /** A request that was taken back before its answer was whole: it may have cost a connect. */
  RESET: 4,
  /** PING, SETTINGS, PRIORITY, WINDOW_UPDATE, GOAWAY, unknown frames, DATA without data. */
  CONTROL: 1,
  /** A malformed request. */
  FAULT: 8,
} as const;
export const EARNED = { ANSWER: 8, DATA_FRAME: 3 } as const;

export class Patience {
  #left = BURST;
  /** Control frames that DATA of ours has yet to be answered with: a round trip later, and for a whole window at once. */
  #replies = 0;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  earn(amount: number): void {
    this.#left = Math.min(BURST, this.#left + amount);
  }

  /** A DATA frame went out. */
  sentData(): void {
    this.earn(EARNED.DATA_FRAME);
    this.#replies += EARNED.DATA_FRAME;
  }

  /** False: it is used up. */
  spend(amount: number, nowMs: number): boolean {
    if (amount === COST.CONTROL && this.#replies > 0) {
      this.#replies--;
      return true;
    }
    this.#left = Math.min(BURST, this.#left + ((nowMs - this.#atMs) * REFILL_PER_S) / 1000) - amount;
    this.#atMs = nowMs;
    return this.#left >= 0;
  }
}
