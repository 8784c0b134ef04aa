// The time a probe may take, as one object that its phases share, and the watch for stalls of our own loop. Both exist
// because of the same lie: after a stall every answer looks late, and a proxy that believes it ejects everyone at once.

/** How much later than asked a timer may fire before we call it a stall. */
export const STALL_MS = 20;
const BEAT_MS = 10;

/** What a phase rejects with when its time is over or the prober stops. */
export class Ended extends Error {
  readonly why: 'timeout' | 'stopped';
  constructor(why: 'timeout' | 'stopped') {
    super(why);
    this.name = 'Ended';
    this.why = why;
  }
}

/** Starts something; calls `settle` once or never; gives what undoes it. */
export type Start<T> = (settle: (error: unknown, value?: T) => void) => () => void;

/**
 * One deadline over several phases in a row. If our loop was the late one, the deadline moves once by as much, so that an
 * answer that already waits in the kernel is read before it is judged.
 */
export class Limit {
  readonly timeoutMs: number;
  readonly #clock: () => number;
  #dueMs: number;
  #timer: NodeJS.Timeout;
  #hasGrace = true;
  #ended: Ended | null = null;
  #end: ((ended: Ended) => void) | null = null;

  constructor(timeoutMs: number, clock: () => number) {
    this.timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#dueMs = clock() + timeoutMs;
    this.#timer = setTimeout(() => this.#ring(), timeoutMs);
  }

  /** Runs one phase. Rejects with its error, or with Ended after undoing it. */
  run<T>(start: Start<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended !== null) return reject(this.#ended);
      let isSettled = false;
      let undo: (() => void) | null = null;
      const finish = () => {
        isSettled = true;
        this.#end = null;
      };
      this.#end = (ended) => {
        finish();
        reject(ended);
        undo?.();
      };
      const settle = (error: unknown, value?: T) => {
        if (isSettled) return;
        finish();
        if (error !== null && error !== undefined) reject(error);
        else resolve(value as T);
      };
      try {
        undo = start(settle);
      } catch (error) {
        settle(error ?? new Error('failed to start'));
      }
    });
  }

  /** Ends the phase that runs, and all that would follow. */
  stop(): void {
    this.#finish('stopped');
  }

  /** Must be called at last, or its timer stays. */
  clear(): void {
    clearTimeout(this.#timer);
  }

  #ring(): void {
    const lateMs = this.#clock() - this.#dueMs;
    if (lateMs <= STALL_MS || !this.#hasGrace) {
      this.#finish('timeout');
      return;
    }
    this.#hasGrace = false;
    const graceMs = Math.min(lateMs, this.timeoutMs);
    this.#dueMs = this.#clock() + graceMs;
    this.#timer = setTimeout(() => this.#ring(), graceMs);
  }

  #finish(why: 'timeout' | 'stopped'): void {
    this.clear();
    this.#ended ??= new Ended(why);
    this.#end?.(this.#ended);
  }
}

/** Beats while at least one probe runs, and so knows whether the loop stood still meanwhile. */
export class StallWatch {
  readonly #clock: () => number;
  #probes = 0;
  #timer: NodeJS.Timeout | null = null;
  #beatMs = 0;
  /** For how long the loop has stood still, in all. */
  #stalledMs = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** A probe begins. Gives what `end` wants. */
  begin(): number {
    if (this.#probes++ > 0) return this.#stalledMs;
    this.#beatMs = this.#clock();
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
    return this.#stalledMs;
  }

  /** It ends. Gives for how long the loop stood still meanwhile, ms. */
  end(begun: number): number {
    // The loop may have been stalled until just now, with the overdue beat still to come.
    this.#beat();
    if (--this.#probes === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    return this.#stalledMs - begun;
  }

  #beat(): void {
    const nowMs = this.#clock();
    const lateMs = nowMs - this.#beatMs - BEAT_MS;
    if (lateMs > STALL_MS) this.#stalledMs += lateMs;
    this.#beatMs = nowMs;
  }
}
