// Is a client that has said its last byte still there? A FIN looks the same whether it half-closed (`printf … | nc`: the answer
// is wanted, RFC 9112 9.6) or went away (the endpoint must be let go at once). What tells them apart is a reset, and a reset
// comes only when something is written: so before its answer has begun, an HTTP/1.1 client is sent a 102, which whoever waits
// skips (RFC 9110, 15.2) and whoever is gone resets; once it has begun, its own bytes do the same.

/** A FIN this close behind the request is a half-close. On a busy machine it is seen later: then the client is asked. */
const HALF_CLOSE_MS = 2;
/** A client that may be gone is asked this soon, and again after GONE_MS: the second write meets the reset. */
const FIRST_ASK_MS = 25;
const GONE_MS = 50;
/** Who took so many is there. */
const ENOUGH_ASKED = 3;
/** How often one that half-closed is asked while its answer has not begun. */
const ASK_MS = 1000;

/** What to do now. */
export const VERDICT = { GONE: 0, ASK: 1, WAIT: 2 } as const;
export type Verdict = (typeof VERDICT)[keyof typeof VERDICT];

export class Presence {
  /** When to judge again, ms from now; 0 = no more. Set by `fin` and `judge`. */
  nextMs = 0;
  #mayBeGone = false;
  #asked = 0;

  /** The FIN came. `sinceRequestMs`: after the last byte of the request. */
  fin(sinceRequestMs: number, hasBegun: boolean): void {
    this.#mayBeGone = hasBegun || sinceRequestMs > HALF_CLOSE_MS;
    this.#asked = 0;
    this.nextMs = !this.#mayBeGone ? ASK_MS : hasBegun ? GONE_MS : FIRST_ASK_MS;
  }

  /**
   * `hasBegun`: a final head was written. `canAsk`: it is an HTTP/1.1 client. `hasWritten`: some of the answer since the last
   * judgement. `isStuck`: the kernel still holds bytes for it; `patienceMs`: how long it may leave them there.
   */
  judge(hasBegun: boolean, canAsk: boolean, hasWritten: boolean, isStuck: boolean, patienceMs: number): Verdict {
    this.nextMs = 0;
    if (!hasBegun) {
      if (!canAsk) return this.#mayBeGone ? VERDICT.GONE : VERDICT.WAIT;
      if (this.#asked++ === ENOUGH_ASKED) this.#mayBeGone = false;
      this.nextMs = this.#mayBeGone ? GONE_MS : ASK_MS;
      return VERDICT.ASK;
    }
    if (!this.#mayBeGone && !isStuck) return VERDICT.WAIT;
    if (!hasWritten) return VERDICT.GONE;
    this.nextMs = isStuck ? patienceMs : GONE_MS;
    return VERDICT.WAIT;
  }
}
