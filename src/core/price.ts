// When there is more to do than fits where it would like to go: the price of a row, in ms of score. Whoever costs less, or
// hardly more, shares the traffic, so that a region that is too full gives what it cannot carry to all who have room, each
// as much as it bears. Moving home would not help: all of a large region's requests on the next, smaller one, then on the one
// after that. Nor would an overflow of a few: every edge would send it to the same.
//
// The price starts at what the requests pay, and sinks to the cheapest who has room; if that one fills up, it rises again.
// Source: tâtonnement, Walras 1874; marginal-cost prices as in time.ts.

import type { Home } from './home.ts';
import type { Ranked, RankSpec } from './rank.ts';

/** The price sinks towards the cheapest who has room over this time: longer than it takes to see that one fill up. */
const SINK_TAU_MS = 700;
/** Less waiting than this part of what is paid comes and goes by chance where one is asked; where many are, chance evens out. */
const CROWDED_RATIO = 0.7;

/**
 * Brings `home.priceMs` up to date: NaN as long as little of what requests pay is waiting, and where each endpoint is a region
 * of its own: there, what does not fit goes elsewhere one by one, and home may move. `chosen` is sorted by score. O(n).
 */
export function settlePrice(
  candidates: readonly Ranked[],
  chosen: readonly number[],
  spec: RankSpec,
  home: Home,
  nowMs: number,
): void {
  if (Number.isNaN(home.priceMs)) {
    home.priceMs = hasRegions(candidates, chosen) ? paidMs(candidates, chosen, spec) : Number.NaN;
    home.pricedAtMs = nowMs;
  }
  if (Number.isNaN(home.priceMs)) return;
  const elapsedMs = Math.max(nowMs - home.pricedAtMs, 0);
  home.pricedAtMs = nowMs;
  // Between the cheapest and the dearest of those that have room.
  let [least, most] = [Number.NaN, Number.NaN];
  for (const i of chosen) {
    const c = candidates[i]!;
    if (c.standbyMs > 0 || c.waitMs > widthMs(c.scoreMs, spec)) continue;
    if (Number.isNaN(least)) least = c.scoreMs;
    most = c.scoreMs;
  }
  // Nobody has room: all share what there is.
  if (Number.isNaN(least)) least = most = candidates[chosen.at(-1)!]!.scoreMs;
  const priceMs = Math.min(home.priceMs, most);
  home.priceMs = least > priceMs ? least : least + (priceMs - least) * Math.exp(-elapsedMs / SINK_TAU_MS);
  const best = candidates[chosen[0]!]!.scoreMs;
  if (home.priceMs <= best + widthMs(best, spec)) home.priceMs = Number.NaN;
}

/** What requests pay on average, if they wait for more than is worth a detour; else NaN. */
function paidMs(candidates: readonly Ranked[], chosen: readonly number[], spec: RankSpec): number {
  let [perMs, scoreMs, waitMs, squares] = [0, 0, 0, 0];
  for (const i of chosen) {
    const c = candidates[i]!;
    perMs += c.perMs;
    scoreMs += c.perMs * c.scoreMs;
    waitMs += c.perMs * c.waitMs;
    squares += c.perMs ** 2;
  }
  if (!(perMs > 0)) return Number.NaN;
  const paid = scoreMs / perMs;
  // The root of how many are asked, as it were: the effective number of Kish, "Survey Sampling", 1965.
  const least = (paid * CROWDED_RATIO * Math.sqrt(squares)) / perMs;
  return waitMs / perMs > Math.max(widthMs(paid, spec), least) ? paid : Number.NaN;
}

/** Whether any two would move together. */
function hasRegions(candidates: readonly Ranked[], chosen: readonly number[]): boolean {
  const homes = new Set<string>();
  for (const i of chosen) homes.add(candidates[i]!.home);
  return homes.size < chosen.length;
}

/** Of the band around a score. */
function widthMs(ms: number, spec: RankSpec): number {
  return ms * spec.bandRatio + spec.bandMs;
}
