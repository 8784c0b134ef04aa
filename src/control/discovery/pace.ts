// When what was found becomes what runs: shortly after the first news, so that those that come together go together, and never
// more often than once a second, whatever a source does. One at a time; news that come meanwhile are for the next.

/** News of one moment come within this. ms */
const GATHER_MS = 100;
/** Between the beginnings of two changes. ms */
const LEAST_MS = 1000;

export class Pace {
  readonly #clock: () => number;
  readonly #act: () => Promise<void>;
  #timer: NodeJS.Timeout | null = null;
  #actedAtMs = Number.NEGATIVE_INFINITY;
  #isActing = false;
  #isWanted = false;
  #isStopped = false;

  /** `act` never rejects. */
  constructor(clock: () => number, act: () => Promise<void>) {
    this.#clock = clock;
    this.#act = act;
  }

  /** There is something new. */
  poke(): void {
    this.#isWanted = true;
    if (this.#isStopped || this.#isActing || this.#timer !== null) return;
    const nowMs = this.#clock();
    const atMs = Math.max(nowMs + GATHER_MS, this.#actedAtMs + LEAST_MS);
    this.#timer = setTimeout(() => void this.#run(), atMs - nowMs).unref();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #run(): Promise<void> {
    this.#timer = null;
    this.#isWanted = false;
    this.#isActing = true;
    this.#actedAtMs = this.#clock();
    await this.#act();
    this.#isActing = false;
    if (this.#isWanted) this.poke();
  }
}
