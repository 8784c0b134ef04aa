// Stickiness within the band, for `fastest` with `hashOn`: of the endpoints that are as good as the best, a key always takes
// the same one. It moves when the band does, and stands back while its endpoint has a queue.
// Source: rendezvous hashing, Thaler & Ravishankar 1998: whoever leaves the band moves only the keys it had.

import { NONE } from '../snapshot.ts';
import { CANDIDATE_DOUBLES, CD, ROW } from '../table.ts';
import { type Draw, inflightAt, isFull, isTried, slotAt } from './draw.ts';
import { mixed } from './mix.ts';

/** So many of a band are looked at: the best ones, when it is wider. */
const MOST = 64;

/** The key's endpoint; NONE when it should not be taken now: then the pick goes on as without a key. */
export function sticky(d: Draw): number {
  const band = Math.min(d.ints[d.row + ROW.BAND]!, MOST);
  let best: number = NONE;
  let most = -1;
  for (let at = 0; at < band; at++) {
    const rank = mixed(d.idHash[slotAt(d, at)]!, d.ctx.hash!);
    if (rank <= most) continue;
    most = rank;
    best = at;
  }
  return best === NONE || isTried(d, slotAt(d, best)) || isBusy(d, best) ? NONE : best;
}

/** It warms up, or more is in flight than its usual load explains. */
function isBusy(d: Draw, at: number): boolean {
  const double = d.firstDouble + at * CANDIDATE_DOUBLES;
  return isFull(d, at) || d.doubles[double + CD.RAMP]! < 1 || inflightAt(d, at) > d.doubles[double + CD.KNEE]!;
}
