// Whether connects to an endpoint come to anything, as this worker sees it now: the control plane learns of failures on its tick
// only, and until it has judged every request would go the same way as the one before. A connect that failed, or that hangs,
// sends requests elsewhere as long as there is an elsewhere (choose.ts); one at a time tries again, and whatever comes about ends
// the doubt. What lasts is not judged here: three failures in a row are an ejection (core/outlier.ts).

/** After a failure nobody tries for so long, ms: short, for it may have been one SYN of many. */
const PAUSE_MS = 100;
/** From the third on the control plane has its say; should it keep the endpoint in use, one request a second tries. */
const MANY = 3;
const LONG_PAUSE_MS = 1000;
/** Who tries has so long before another may, ms: he may have gone without a word. */
const TRIAL_MS = 1000;
/** A connect that takes so many times as long as usual is late … */
const LATE_RATIO = 3;
/** … if our own loop has gone round as often meanwhile: while that stands still, nothing comes about. */
const LATE_TURNS = 2;
/** With so many connects under way, once round will do. */
const FEW = 3;
const USUAL_GAIN = 0.2;

/** The part of a Wheel that it reads. */
interface Turning {
  readonly nowMs: number;
  readonly turns: number;
}

/** One a group. Never throws, allocates nothing. */
export class Doubt {
  readonly #wheel: Turning;
  /** Connects under way; and when something came about last, or the first of them began. */
  #awaited = 0;
  #sinceMs = 0;
  #sinceTurn = 0;
  /** Connects that failed since something came about, and when the next one may be tried. */
  #failures = 0;
  #againMs = 0;
  /** Of a connect, a moving average; Infinity = none has come about, and nothing is late. */
  #usualMs = Number.POSITIVE_INFINITY;

  constructor(wheel: Turning) {
    this.#wheel = wheel;
  }

  /** Whether one more request may be sent there now. Where connects have failed, who is let in is the one that tries: ask once. */
  admits(): boolean {
    if (this.#awaited === 0 && this.#failures === 0) return true;
    if (this.#isLate()) return false;
    if (this.#failures === 0) return true;
    const { nowMs } = this.#wheel;
    if (nowMs < this.#againMs) return false;
    this.#againMs = nowMs + TRIAL_MS;
    return true;
  }

  #isLate(): boolean {
    if (this.#awaited === 0) return false;
    const { nowMs, turns } = this.#wheel;
    if (turns - this.#sinceTurn < (this.#awaited < FEW ? LATE_TURNS : 1)) return false;
    return nowMs - this.#sinceMs > this.#usualMs * LATE_RATIO;
  }

  /** A connect begins. It ends by exactly one of `established`, `failed` and `dropped`. */
  dialled(): void {
    if (this.#awaited++ === 0) this.#mark();
  }

  established(ms: number): void {
    this.#awaited--;
    this.#usualMs = this.#usualMs < Number.POSITIVE_INFINITY ? this.#usualMs + (ms - this.#usualMs) * USUAL_GAIN : ms;
    this.answered();
  }

  failed(): void {
    this.#awaited--;
    this.#failures++;
    this.#againMs = this.#wheel.nowMs + (this.#failures < MANY ? PAUSE_MS : LONG_PAUSE_MS);
  }

  /** It was given up before anything was known. */
  dropped(): void {
    this.#awaited--;
  }

  /** Somebody is there. */
  answered(): void {
    this.#failures = 0;
    if (this.#awaited > 0) this.#mark();
  }

  #mark(): void {
    this.#sinceMs = this.#wheel.nowMs;
    this.#sinceTurn = this.#wheel.turns;
  }
}
