// How often workers die, and what follows: how long a successor waits (a worker that dies again and again would otherwise do
// nothing else), and when it is time to raise an alarm.

const WINDOW_MS = 60_000;
const MAX_BACKOFF_MS = 30_000;
/** More deaths than these within a minute, of all workers together, are an alarm. */
const ALARM_DEATHS = 5;

/** Of one worker's place. */
export class Deaths {
  #atMs: number[] = [];

  /** One more. Gives how many there were within the last minute. */
  note(nowMs: number): number {
    this.#atMs = [...this.#atMs.filter((atMs) => nowMs - atMs < WINDOW_MS), nowMs];
    return this.#atMs.length;
  }
}

/** How long the successor of the n-th death within a minute waits: nothing at first, then 1 s, doubled up to 30 s. */
export function backoffMs(deaths: number): number {
  return deaths <= 1 ? 0 : Math.min(MAX_BACKOFF_MS, 1000 * 2 ** (deaths - 2));
}

/** Of all workers: raised when there are too many deaths, and not again until a minute has passed. */
export class DeathAlarm {
  readonly #deaths = new Deaths();
  #raisedMs = Number.NEGATIVE_INFINITY;

  /** One more death. Gives how many there were within the last minute when that is an alarm, else 0. */
  note(nowMs: number): number {
    const deaths = this.#deaths.note(nowMs);
    if (deaths <= ALARM_DEATHS || nowMs - this.#raisedMs < WINDOW_MS) return 0;
    this.#raisedMs = nowMs;
    return deaths;
  }
}
