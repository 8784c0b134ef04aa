// Policies that ask nobody: `round-robin` in turn, `weighted` by chance.

import { NONE } from '../snapshot.ts';
import { CANDIDATE_DOUBLES, CD } from '../table.ts';
import { below, bits, type Draw, eligibleOf, isTried, slotAt } from './draw.ts';

export function roundRobin(d: Draw): number {
  const eligible = eligibleOf(d);
  if (eligible === 0) return NONE;
  // Workers begin at different places, or a pool of three would get three times each in step.
  let turn = d.turns[d.at]!;
  if (turn < 0) turn = below(d, eligible);
  for (let i = 0; i < eligible; i++) {
    const at = (turn + i) % eligible;
    if (isTried(d, slotAt(d, at))) continue;
    d.turns[d.at] = (at + 1) % eligible;
    return at;
  }
  return NONE;
}

/** By chance, in proportion to the weights. O(log n). */
export function weighted(d: Draw): number {
  const eligible = eligibleOf(d);
  if (eligible === 0) return NONE;
  const sumAt = d.firstDouble + CD.WEIGHT_SUM;
  const x = (bits(d) / 2147483648) * d.doubles[sumAt + (eligible - 1) * CANDIDATE_DOUBLES]!;
  let low = 0;
  let high = eligible - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (d.doubles[sumAt + middle * CANDIDATE_DOUBLES]! > x) high = middle;
    else low = middle + 1;
  }
  for (let i = 0; i < eligible; i++) {
    const at = (low + i) % eligible;
    if (!isTried(d, slotAt(d, at))) return at;
  }
  return NONE;
}
