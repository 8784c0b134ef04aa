// Replays recorded decisions: as they were, which must give every choice again; or under another configuration, which tells
// what would have changed. Prints nothing.

import { type PickState, propensitiesOf, redecide } from '../../core/decision.ts';
import { ROLE } from '../../core/selector.ts';
import { NONE } from '../../core/snapshot.ts';
import type { Alternative } from './alternative.ts';
import { meanOf, type OffPolicy, offPolicy, quantileOf, type Trial, type Weighted } from './estimate.ts';
import type { Recorded } from './parse.ts';
import { Residuals } from './residuals.ts';

/** A decision that another pick came of. */
export interface Difference {
  readonly id: string;
  readonly was: string;
  /** null: nothing could be chosen. */
  readonly is: string | null;
}

/** Those that are not reproduced; none, unless the selector or the file has changed. */
export function verify(records: readonly Recorded[]): Difference[] {
  const differences: Difference[] = [];
  for (const { id, state, place, role } of records) {
    const again = redecide(state);
    if (again.place === place && again.role === role) continue;
    differences.push({ id, was: state.endpoints[place]!.id, is: state.endpoints[again.place]?.id ?? null });
  }
  return differences;
}

export interface Pair {
  readonly before: number;
  readonly after: number;
}

export interface Comparison {
  readonly decisions: number;
  /** Picks that they stand for: of busy workers only a sample is written down. */
  readonly picks: number;
  readonly changed: number;
  /** Decisions for which nobody would have been left. */
  readonly unanswered: number;
  /** By pool and endpoint; parts of the pool's picks, 0…1. */
  readonly shares: readonly ({ readonly pool: string; readonly endpoint: string } & Pair)[];
  /** Predicted first byte, ms; NaN when there is none. */
  readonly meanMs: Pair;
  readonly p99Ms: Pair;
  /** For what leaves the endpoints' clouds. */
  readonly usdPerMillion: Pair;
  /** Measured first byte of the recorded choices, ms. */
  readonly measured: { readonly meanMs: number; readonly p99Ms: number; readonly count: number };
  readonly offPolicy: OffPolicy;
}

/**
 * What `other` would have done. The predicted time of a choice is what the terms expect at that load, plus what answers of that
 * endpoint took beyond it (of the pool's, where it has too few): mean and p99 are those of all such sums, before and after alike.
 */
export function compare(records: readonly Recorded[], other: Alternative): Comparison {
  const inOrder = [...records].sort((a, b) => a.atMs - b.atMs);
  const residuals = new Residuals();
  for (const record of inOrder) residuals.learn(record);
  const shares = new Shares();
  const before: Weighted[] = [];
  const after: Weighted[] = [];
  const trials: Trial[] = [];
  const usd = { before: 0, after: 0, bytesWeight: 0 };
  let changed = 0;
  let unanswered = 0;
  for (const record of inOrder) {
    const { state, place, every } = record;
    const otherState = other.stateOf(record);
    const { place: otherPlace } = redecide(otherState);
    const was = state.endpoints[place]!;
    const is = otherState.endpoints[otherPlace];
    if (is?.id !== was.id) changed++;
    shares.add(record.pool, was.id, is?.id ?? null, every);
    residuals.predict(record.pool, state, place, every, observeIn(before));
    if (is === undefined || otherPlace === NONE) unanswered++;
    else residuals.predict(record.pool, otherState, otherPlace, every, observeIn(after));
    if (record.bytes !== null && is !== undefined) {
      usd.before += every * usdOf(record.bytes, was.egressUsdPerGb);
      usd.after += every * usdOf(record.bytes, is.egressUsdPerGb);
      usd.bytesWeight += every;
    }
    const trial = trialOf(record, otherState);
    if (trial !== null) trials.push(trial);
  }
  const measured = measuredOf(inOrder);
  const perMillion = (sum: number) => (usd.bytesWeight === 0 ? 0 : (sum / usd.bytesWeight) * 1e6);
  return {
    decisions: records.length,
    picks: records.reduce((sum, { every }) => sum + every, 0),
    changed,
    unanswered,
    shares: shares.list(),
    meanMs: { before: meanOf(before), after: meanOf(after) },
    p99Ms: { before: quantileOf(before, 0.99), after: quantileOf(after, 0.99) },
    usdPerMillion: { before: perMillion(usd.before), after: perMillion(usd.after) },
    measured: { meanMs: meanOf(measured), p99Ms: quantileOf(measured, 0.99), count: measured.length },
    offPolicy: offPolicy(trials),
  };
}

function observeIn(all: Weighted[]): (value: number, weight: number) => void {
  return (value, weight) => void all.push({ value, weight });
}

function usdOf(bytes: number, usdPerGb: number): number {
  return (bytes / 1e9) * usdPerGb;
}

function measuredOf(records: readonly Recorded[]): Weighted[] {
  return records.flatMap(({ firstByteMs, every }) =>
    firstByteMs === null ? [] : [{ value: firstByteMs, weight: every }],
  );
}

/** First attempts alone: where a retry goes depends on what failed before. */
function trialOf(record: Recorded, otherState: PickState): Trial | null {
  const { state, place, role, firstByteMs, every, propensity } = record;
  if (firstByteMs === null || state.tried.length > 0 || role === ROLE.TRIAL || !(propensity > 0)) return null;
  const otherPlace = otherState.endpoints.findIndex(({ id }) => id === state.endpoints[place]!.id);
  const otherPropensity = otherPlace < 0 ? 0 : propensitiesOf(otherState)[otherPlace]!;
  return { value: firstByteMs, weight: every, propensity, otherPropensity };
}

class Shares {
  readonly #counts = new Map<string, Map<string, { before: number; after: number }>>();
  readonly #totals = new Map<string, number>();

  add(pool: string, was: string, is: string | null, weight: number): void {
    this.#totals.set(pool, (this.#totals.get(pool) ?? 0) + weight);
    this.#of(pool, was).before += weight;
    if (is !== null) this.#of(pool, is).after += weight;
  }

  /** Most chosen first, pool by pool. */
  list(): Comparison['shares'] {
    return [...this.#counts].flatMap(([pool, counts]) => {
      const total = this.#totals.get(pool)!;
      return [...counts]
        .map(([endpoint, { before, after }]) => ({ pool, endpoint, before: before / total, after: after / total }))
        .sort((a, b) => b.before - a.before || b.after - a.after);
    });
  }

  #of(pool: string, endpoint: string): { before: number; after: number } {
    const counts = this.#counts.get(pool) ?? new Map<string, { before: number; after: number }>();
    this.#counts.set(pool, counts);
    const count = counts.get(endpoint) ?? { before: 0, after: 0 };
    counts.set(endpoint, count);
    return count;
  }
}
