// How long requests are in flight at an endpoint: with the rate they come at, that is how many are (Little's law), which
// the replay behind `share` needs. Not part of the score.

export interface Hold {
  /** Mean, ms, and mean square, ms²; NaN until there was one. */
  holdMs: number;
  holdSquare: number;
}

/** How many of the last requests stand behind the usual time in flight. */
const HELD = 500;

/** Takes one time in; `count` of them with it: the plain mean at first, then a moving one. */
export function holdAfter(hold: Hold, ms: number, count: number): void {
  const isFirst = Number.isNaN(hold.holdMs);
  const gain = 1 / Math.min(count, HELD);
  hold.holdMs = isFirst ? ms : hold.holdMs + (ms - hold.holdMs) * gain;
  hold.holdSquare = isFirst ? ms * ms : hold.holdSquare + (ms * ms - hold.holdSquare) * gain;
}
