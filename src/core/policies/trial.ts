// When no endpoint answers: one trial request a second and endpoint finds out who is back.

import { NONE } from '../snapshot.ts';
import { CANDIDATE_INTS, CI, FLAG } from '../table.ts';
import { type Draw, isTried, slotAt } from './draw.ts';

/** Between two trial requests to an endpoint. */
const TRIAL_EVERY_MS = 1000;
/** Trial times are kept modulo 2^30 ms, twelve days. */
const TRIAL_MASK = 0x3fffffff;

/** At most one a second and endpoint, over all workers; best first. */
export function trial(d: Draw, width: number, trials: Int32Array): number {
  // Odd, so never 0, which is what a fresh table holds.
  const now = (Math.floor(d.ctx.nowMs) & TRIAL_MASK) | 1;
  for (let at = 0; at < width; at++) {
    if ((d.ints[d.firstInt + at * CANDIDATE_INTS + CI.FLAGS]! & FLAG.OFF) !== 0) continue;
    const slot = slotAt(d, at);
    if (isTried(d, slot)) continue;
    const last = Atomics.load(trials, slot);
    if (last !== 0 && ((now - last) & TRIAL_MASK) < TRIAL_EVERY_MS) continue;
    if (Atomics.compareExchange(trials, slot, last, now) === last) return at;
  }
  return NONE;
}
