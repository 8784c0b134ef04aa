// Ranks the candidates of one row, on the tick: who may be picked at all, which stand in the band, which in the overflow.
// The selector only draws from what is ranked here. Scores come in ready (core/score); whether home moves is home.ts's.

import { type Home, hold, type SwitchReason, settleHome } from './home.ts';
import { settlePrice } from './price.ts';
import { NONE, type PolicyName } from './snapshot.ts';
import { MODE, type Mode } from './table.ts';

/** One endpoint as the ranking sees it. */
export interface Ranked {
  /** In PoolSpec.endpoints. */
  readonly index: number;
  /** Which ones move together as home: the region, or the endpoint itself when it has none. */
  home: string;
  /** Healthy and may take traffic. */
  isEligible: boolean;
  /** Not eligible, but it answers: taken when nothing is eligible. */
  isAnswering: boolean;
  /** Never been judged: taken when nothing is known to be healthy. */
  isUnknown: boolean;
  /** Came back a moment ago: home may return to it without waiting. */
  isReturning: boolean;
  scoreMs: number;
  /** What of the score is waiting, charged twice; and requests this node sends there, per ms. */
  waitMs: number;
  perMs: number;
  /** Requests/s it can take; 0 = unknown. */
  capacityPerS: number;
  /** Stood in the band last time; kept by `rank`. */
  isInBand: boolean;
  /** It stands by: put on its score, so that only retries get to it. ms; 0 = it does not. */
  standbyMs: number;
  /** By geography, for `nearest`; Infinity when unknown. */
  priorMs: number;
}

export interface RankSpec {
  readonly policy: PolicyName;
  readonly bandRatio: number;
  readonly bandMs: number;
}

/** What the row is to hold. `order` lists positions of the input, in the table's order. */
export interface Ranking {
  readonly order: readonly number[];
  readonly band: number;
  readonly overflow: number;
  readonly eligible: number;
  readonly explorable: number;
  readonly mode: Mode;
  /** ms to be added to a candidate's score, by position of the input: challengers that have to wait. */
  readonly holdMs: Float64Array;
  readonly switched: SwitchReason | null;
  /** Position of the best in the home region, or NONE. */
  readonly home: number;
}

const OVERFLOW = 3;
const EXPLORE_RATIO = 1.5;
/** By this part of the band's width it is harder to leave than to enter. */
const STAY_RATIO = 0.5;
/** Priors this close are one place. */
const SAME_PLACE_MS = 1;

/** Ranks, and moves `home` when it is time. `demandPerS`: requests/s that come to the row. O(n log n). */
export function rank(
  candidates: readonly Ranked[],
  spec: RankSpec,
  home: Home,
  nowMs: number,
  demandPerS = 0,
): Ranking {
  const { chosen, mode } = admitted(candidates, demandPerS);
  const holdMs = Float64Array.from(candidates, ({ standbyMs }) => standbyMs);
  const isChosen = new Set(chosen);
  const rest = candidates.map((_, i) => i).filter((i) => !isChosen.has(i));
  const byScore = (a: number, b: number) =>
    candidates[a]!.scoreMs + holdMs[a]! - candidates[b]!.scoreMs - holdMs[b]! || a - b;
  rest.sort(byScore);
  const eligible = chosen.length;
  if (spec.policy !== 'fastest') {
    const band = spec.policy === 'nearest' ? nearestFirst(candidates, chosen) : eligible;
    const order = [...chosen, ...rest];
    const at = eligible === 0 ? NONE : chosen[0]!;
    return { order, band, overflow: 0, eligible, explorable: 0, mode, holdMs, switched: null, home: at };
  }
  if (eligible === 0) {
    return { order: rest, band: 0, overflow: 0, eligible, explorable: 0, mode, holdMs, switched: null, home: NONE };
  }
  chosen.sort(byScore);
  settlePrice(candidates, chosen, spec, home, nowMs);
  // While there is not room for all, nobody moves and nobody waits for a turn: but somebody has to be home.
  const isShort = !Number.isNaN(home.priceMs);
  const isHere = chosen.some((i) => candidates[i]!.home === home.key);
  const switched = isShort && isHere ? null : settleHome(candidates, chosen, spec, home, nowMs);
  if (!isShort) hold(candidates, chosen, spec, home, holdMs);
  chosen.sort(byScore);
  const scoreAt = (i: number) => candidates[chosen[i]!]!.scoreMs + holdMs[chosen[i]!]!;
  const best = scoreAt(0);
  const band = bandOf(candidates, chosen, holdMs, isShort ? Math.max(best, home.priceMs) : best, spec);
  let explorable = 0;
  while (band + explorable < eligible && scoreAt(band + explorable) <= best * EXPLORE_RATIO) explorable++;
  return {
    order: [...chosen, ...rest],
    band,
    overflow: Math.min(OVERFLOW, Math.max(chosen.filter((i) => candidates[i]!.standbyMs === 0).length - band, 0)),
    eligible,
    explorable,
    mode,
    holdMs,
    switched,
    home: chosen.find((i) => candidates[i]!.home === home.key) ?? NONE,
  };
}

/**
 * How many share the traffic: those within the band of `best`. Whoever is in stays in until it is clearly out: at the edge noise would decide, tick by tick.
 * Puts the band at the head of `chosen`, which is sorted by score.
 */
function bandOf(
  candidates: readonly Ranked[],
  chosen: number[],
  holdMs: Float64Array,
  best: number,
  spec: RankSpec,
): number {
  const widthMs = best * spec.bandRatio + spec.bandMs;
  const isIn = (i: number) => {
    const c = candidates[i]!;
    const stay = c.isInBand && holdMs[i] === 0 ? 1 + STAY_RATIO : 1;
    return c.scoreMs + holdMs[i]! <= best + widthMs * stay;
  };
  const inside = chosen.filter(isIn);
  const outside = chosen.filter((i) => !isIn(i));
  for (const c of candidates) c.isInBand = false;
  for (const i of inside) candidates[i]!.isInBand = true;
  chosen.splice(0, chosen.length, ...inside, ...outside);
  return inside.length;
}

/**
 * Who may be picked at all: the healthy, and those that answer at least when the healthy are known to be too few; else
 * those not judged yet; else, in a panic, those that answer.
 */
function admitted(candidates: readonly Ranked[], demandPerS: number): { chosen: number[]; mode: Mode } {
  const all = candidates.map((_, i) => i);
  const healthy = all.filter((i) => candidates[i]!.isEligible);
  if (healthy.length > 0) {
    const isEnough = canCarry(candidates, healthy, demandPerS);
    const chosen = isEnough ? healthy : all.filter((i) => candidates[i]!.isEligible || candidates[i]!.isAnswering);
    return { chosen, mode: MODE.NORMAL };
  }
  const unknown = all.filter((i) => candidates[i]!.isUnknown);
  if (unknown.length > 0) return { chosen: unknown, mode: MODE.NORMAL };
  const answering = all.filter((i) => candidates[i]!.isAnswering);
  if (answering.length > 0) return { chosen: answering, mode: MODE.PANIC };
  return { chosen: [], mode: MODE.DOWN };
}

/** Whether these could take `demandPerS`; one of unknown capacity takes anything. */
function canCarry(candidates: readonly Ranked[], healthy: readonly number[], demandPerS: number): boolean {
  let sum = 0;
  for (const i of healthy) {
    const { capacityPerS } = candidates[i]!;
    if (capacityPerS <= 0) return true;
    sum += capacityPerS;
  }
  return sum >= demandPerS;
}

/** Sorts by distance; gives how many are as near as the nearest. */
function nearestFirst(candidates: readonly Ranked[], chosen: number[]): number {
  const priorOf = (i: number) => candidates[i]!.priorMs;
  chosen.sort((a, b) => (priorOf(a) === priorOf(b) ? a - b : priorOf(a) - priorOf(b)));
  if (chosen.length === 0) return 0;
  const nearest = priorOf(chosen[0]!);
  return chosen.filter((i) => priorOf(i) <= nearest + SAME_PLACE_MS).length;
}
