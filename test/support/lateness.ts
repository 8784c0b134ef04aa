// How late the machine is while something is timed: what a timer of our own is late, at worst, as long as the stopwatch runs. A
// neighbour on the same cores shows there as it shows in what is timed, so a limit may be passed by some of that.

const TICK_MS = 5;
/** Of a request several processes in turn wait for a core: client, proxy, endpoint, and two of them again. */
const TURNS = 5;

export class Stopwatch implements Disposable {
  readonly startMs = performance.now();
  #lateMs = 0;
  #dueMs = this.startMs + TICK_MS;
  readonly #timer = setInterval(() => this.#look(), TICK_MS);

  /** Since it was started, ms. */
  get ms(): number {
    return performance.now() - this.startMs;
  }

  /** What may take `ms` on a machine that has nothing else to do may take so long now. */
  allowed(ms: number): number {
    this.#look();
    return ms + TURNS * this.#lateMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    this.#lateMs = Math.max(this.#lateMs, nowMs - this.#dueMs);
    this.#dueMs = nowMs + TICK_MS;
  }
}
