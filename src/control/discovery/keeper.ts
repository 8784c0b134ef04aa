// What is believed of one source: its last good answer, and no sudden loss. An answer below the minimum may be a mistake of the
// source (an empty directory, a catalogue that starts anew), so what it leaves out stays for a grace; what is new in it counts at
// once. A failure says nothing. Pure but for its own state: `nowMs` is an argument.

import type { FoundEndpoint } from './entries.ts';

const NOBODY: ReadonlySet<string> = new Set();

export class Keeper {
  readonly #minimum: number;
  readonly #graceMs: number;
  #endpoints: readonly FoundEndpoint[] = [];
  /** The answer that is not believed yet. */
  #doubted: readonly FoundEndpoint[] = [];
  #doubtedSinceMs: number | null = null;
  #isFailing = false;

  constructor(minimum: number, graceMs: number) {
    this.#minimum = minimum;
    this.#graceMs = graceMs;
  }

  /** What is believed now. */
  get endpoints(): readonly FoundEndpoint[] {
    return this.#endpoints;
  }

  /** When it is to be looked at again (`tick`); null = not of itself. */
  get dueAtMs(): number | null {
    return this.#doubtedSinceMs === null || this.#isFailing ? null : this.#doubtedSinceMs + this.#graceMs;
  }

  /** Takes an answer. `left`: URLs of those that need no grace. */
  take(answer: readonly FoundEndpoint[], nowMs: number, left: ReadonlySet<string> = NOBODY): void {
    this.#isFailing = false;
    const told = new Set(answer.map(({ url }) => url));
    const missing = this.#endpoints.filter(({ url }) => !told.has(url) && !left.has(url));
    if (answer.length >= this.#minimum || missing.length === 0) {
      this.#endpoints = answer;
      this.#doubtedSinceMs = null;
      return;
    }
    this.#doubted = answer;
    this.#doubtedSinceMs = Math.min(this.#doubtedSinceMs ?? nowMs, nowMs);
    this.#endpoints = [...answer, ...missing];
    this.tick(nowMs);
  }

  /**
   * While it fails, no doubt becomes certainty; and when it is back, a small answer is doubted for a whole grace again: a catalogue
   * that restarts is empty, away, and empty once more.
   */
  fail(): void {
    this.#isFailing = true;
    if (this.#doubtedSinceMs !== null) this.#doubtedSinceMs = Number.POSITIVE_INFINITY;
  }

  /** Believes what it has doubted for long enough. */
  tick(nowMs: number): void {
    if (this.dueAtMs === null || nowMs < this.dueAtMs) return;
    this.#endpoints = this.#doubted;
    this.#doubtedSinceMs = null;
  }

  /** Begins with what another source of the pool, or another process, knew. */
  adopt(endpoints: readonly FoundEndpoint[]): void {
    if (this.#endpoints.length === 0) this.#endpoints = endpoints;
  }
}
