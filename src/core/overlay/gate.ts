// When a relayed path is taken in place of the direct one: only when it is surely and measurably better, since it costs money
// and shows the request to one more machine. Two small state machines; times and scores come from the caller.

/** What a relay must be better by to be taken. */
const MARGIN_RATIO = 0.1;
const MARGIN_MS = 5;
/** And by which part of that to be kept: between the two nothing changes. */
const KEEP_RATIO = 0.25;
/** So long one of them must have been ahead: two ticks. */
const AHEAD_MS = 250;
/** No change of mind within this time … */
const DWELL_MS = 2000;
/** … but for a direct path that is so many times as slow: that is left at once. */
const URGENT_RATIO = 1.5;
/** What another relay of the same endpoint must be better by. */
const OTHER_RATIO = 0.1;
const OTHER_MS = 2;
/**
 * Put on the score of a relay that stands by, so that it comes after every other candidate and yet is there for a retry. Less
 * than what an endpoint that should take no more now is charged (HELD_MS of policies/draw.ts).
 */
export const STANDBY_MS = 100_000;

/** Of one endpoint: whether its relay is taken because it is faster. */
export interface Gate {
  isOpen: boolean;
  /** When that last changed. */
  sinceMs: number;
  /** Since when the scores have asked for a change; NaN = they do not. */
  askedSinceMs: number;
}

export function newGate(): Gate {
  return { isOpen: false, sinceMs: Number.NEGATIVE_INFINITY, askedSinceMs: Number.NaN };
}

/** Opens or shuts the gate when it is time. Scores in ms as of now; Infinity = there is no such path. Gives whether it is open. */
export function settleGate(gate: Gate, directMs: number, relayMs: number, nowMs: number): boolean {
  const needMs = marginOf(directMs) * (gate.isOpen ? KEEP_RATIO : 1);
  const isBetter = relayMs < Number.POSITIVE_INFINITY && relayMs < directMs - needMs;
  if (isBetter === gate.isOpen) {
    gate.askedSinceMs = Number.NaN;
    return gate.isOpen;
  }
  if (Number.isNaN(gate.askedSinceMs)) gate.askedSinceMs = nowMs;
  const isUrgent = isBetter && relayMs * URGENT_RATIO < directMs - MARGIN_MS;
  const isFree = isUrgent || nowMs - gate.sinceMs >= DWELL_MS;
  if (nowMs - gate.askedSinceMs < AHEAD_MS || !isFree) return gate.isOpen;
  gate.isOpen = isBetter;
  gate.sinceMs = nowMs;
  gate.askedSinceMs = Number.NaN;
  return isBetter;
}

function marginOf(directMs: number): number {
  return directMs < Number.POSITIVE_INFINITY ? directMs * MARGIN_RATIO + MARGIN_MS : 0;
}

/** Whether a relay at `otherMs` takes the place of the one at `heldMs`; Infinity = it cannot be used. */
export function isBetterRelay(otherMs: number, heldMs: number): boolean {
  return otherMs < heldMs * (1 - OTHER_RATIO) - OTHER_MS || (heldMs === Number.POSITIVE_INFINITY && otherMs < heldMs);
}
