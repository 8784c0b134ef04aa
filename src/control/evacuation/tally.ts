// What decisions that were decided again add up to: shares of endpoints and regions of each pool, before and after, and times by
// country.

import type { PickState } from '../../core/decision.ts';
import type { Recorded } from '../decisions/parse.ts';
import type { Residuals } from '../decisions/residuals.ts';
import type { Known } from '../fleet/known.ts';
import type { PoolState } from '../fleet/ranking.ts';
import { isEligible } from '../fleet/terms.ts';
import { sumsOf } from '../live/figures.ts';
import { weightOf } from './assignment.ts';
import { Spread } from './spread.ts';
import type { CountryEvacuation, EndpointLoad, Load, PoolEvacuation, RegionLoad, Times } from './types.ts';

export class Tally {
  readonly #pools: ReadonlyMap<string, PoolTally>;
  readonly #countries = new Map<string | null, CountryTally>();

  constructor(states: readonly PoolState[]) {
    this.#pools = new Map(states.map((state) => [state.spec.name, new PoolTally(state)]));
  }

  /**
   * One decision of these pools. `faced`: its candidates at the load that would be; `chosen`: whom it would have been in each
   * round, ids, null where nobody would have been left.
   */
  add(
    record: Recorded,
    country: string | null,
    faced: PickState,
    chosen: readonly (string | null)[],
    residuals: Residuals,
  ): void {
    const { pool, every } = record;
    const sums = this.#pools.get(pool)!;
    sums.had(record.endpoint, every);
    const times = this.#countries.get(country) ?? { requests: 0, before: new Spread(), after: new Spread() };
    this.#countries.set(country, times);
    times.requests++;
    residuals.predict(pool, record.state, record.place, every, (ms, weight) => times.before.add(ms, weight));
    const weights = new Map<string | null, number>();
    chosen.forEach((id, round) => {
      weights.set(id, (weights.get(id) ?? 0) + every * weightOf(round, chosen.length));
    });
    for (const [id, part] of weights) {
      sums.gets(id, part);
      if (id === null) continue;
      const place = faced.endpoints.findIndex((endpoint) => endpoint.id === id);
      residuals.predict(pool, faced, place, part, (ms, weight) => times.after.add(ms, weight));
    }
  }

  /** `removed`: ids. */
  pools(removed: ReadonlySet<string>): PoolEvacuation[] {
    return [...this.#pools.values()].map((pool) => pool.result(removed));
  }

  /** Most decisions first. */
  countries(): CountryEvacuation[] {
    const all = [...this.#countries].map(([country, { requests, before, after }]) => {
      return { country, requests, ...pair(timesOf(before), timesOf(after)) };
    });
    return all.sort((a, b) => b.requests - a.requests);
  }
}

/** Predicted times of the requests of one country. */
interface CountryTally {
  requests: number;
  readonly before: Spread;
  readonly after: Spread;
}

interface Weights {
  before: number;
  after: number;
}

class PoolTally {
  readonly #state: PoolState;
  readonly #byEndpoint = new Map<string, Weights>();
  #total = 0;
  #unserved = 0;

  constructor(state: PoolState) {
    this.#state = state;
  }

  /** A request that stands for `weight`. */
  had(id: string, weight: number): void {
    this.#total += weight;
    this.#of(id).before += weight;
  }

  /** The same, or a part of it; null = nobody would have been left. */
  gets(id: string | null, weight: number): void {
    if (id === null) this.#unserved += weight;
    else this.#of(id).after += weight;
  }

  result(removed: ReadonlySet<string>): PoolEvacuation {
    const { requestsPerSecond } = sumsOf(this.#state);
    const total = this.#total;
    const loadOf = (weight: number): Load => {
      const share = total === 0 ? 0 : weight / total;
      return { share: rounded(share, 1e4), requestsPerSecond: rounded(share * requestsPerSecond, 10) };
    };
    const loadsOf = ({ before, after }: Weights) => pair(loadOf(before), loadOf(after));
    const stays = (k: Known) => !removed.has(k.spec.id) && isEligible(k);
    const capacityOf = (k: Known) => {
      if (k.spec.capacity === 0) return null;
      return stays(k) ? k.spec.capacity : 0;
    };
    const direct = this.#state.members.filter((k) => k.spec.via === undefined);
    // Of a pool without requests that much is known.
    const isEmptied = direct.some((k) => removed.has(k.spec.id)) && !direct.some(stays);
    const endpoints = direct.map((k): EndpointLoad => {
      const { id, region } = k.spec;
      return { id, region, ...loadsOf(this.#of(id)), capacity: capacityOf(k) };
    });
    const regions = [...Map.groupBy(direct, (k) => k.spec.region)].map(([region, inside]): RegionLoad => {
      const sum = { before: 0, after: 0 };
      for (const k of inside) {
        const { before, after } = this.#of(k.spec.id);
        sum.before += before;
        sum.after += after;
      }
      const left = inside.filter(stays);
      const capacities = (left.length > 0 ? left : inside).map(capacityOf);
      return { region, ...loadsOf(sum), capacity: sumOf(capacities) };
    });
    return {
      pool: this.#state.spec.name,
      requestsPerSecond: rounded(requestsPerSecond, 10),
      unserved: total === 0 ? Number(isEmptied) : rounded(this.#unserved / total, 1e4),
      regions: regions.sort(mostFirst),
      endpoints: endpoints.sort(mostFirst),
    };
  }

  #of(id: string): Weights {
    const weights = this.#byEndpoint.get(id) ?? { before: 0, after: 0 };
    this.#byEndpoint.set(id, weights);
    return weights;
  }
}

function mostFirst(a: RegionLoad, b: RegionLoad): number {
  return b.now.share - a.now.share || b.then.share - a.then.share;
}

function pair<T>(now: T, then: T): { readonly now: T; readonly then: T } {
  return { now, then };
}

/** null = one of them is not known. */
function sumOf(values: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const value of values) {
    if (value === null) return null;
    sum += value;
  }
  return sum;
}

function timesOf(spread: Spread): Times {
  return { p50Ms: spread.quantile(0.5), p99Ms: spread.quantile(0.99) };
}

function rounded(value: number, parts: number): number {
  return Math.round(value * parts) / parts;
}
