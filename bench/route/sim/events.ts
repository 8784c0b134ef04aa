// What can happen in a run, as numbers for the calendar; and the jitter of whatever comes again and again.

export const EVENT = {
  PEEK: 0,
  PROBE: 1,
  ARRIVE: 2,
  DONE: 3,
  REPLY: 4,
  EXPIRE: 5,
  STEP: 6,
  SECOND: 7,
  PUBLISH: 8,
  HEAR: 9,
} as const;

/** As the prober and the publisher do. */
export const JITTER_RATIO = 0.2;

/** 1 ± JITTER_RATIO. */
export function jitterOf(random: () => number): number {
  return 1 + JITTER_RATIO * (2 * random() - 1);
}
