// What decided again decisions add up to: shares of endpoints and regions of one pool, before and after, and times by country.

import type { PoolState } from '../fleet/ranking.ts';
import { isEligible } from '../fleet/terms.ts';
import type { PoolSums } from '../live/figures.ts';
import { Spread } from './spread.ts';
import type { CountryEvacuation, EndpointLoad, Load, PoolEvacuation, RegionLoad, Times } from './types.ts';

interface Weights {
  before: number;
  after: number;
}

/** Shares of one pool. */
export class PoolTally {
  readonly #byEndpoint = new Map<string, Weights>();
  #total = 0;
  #unserved = 0;

  /** A request that stands for `weight`; `after` null = nobody would have been left. */
  add(before: string, after: string | null, weight: number): void {
    this.#total += weight;
    this.#of(before).before += weight;
    if (after === null) this.#unserved += weight;
    else this.#of(after).after += weight;
  }

  result({ spec, members }: PoolState, sums: PoolSums, removed: ReadonlySet<string>): PoolEvacuation {
    const { requestsPerSecond } = sums;
    const total = this.#total;
    const loadOf = (weight: number): Load => {
      const share = total === 0 ? 0 : weight / total;
      return { share: rounded(share, 1e4), requestsPerSecond: rounded(share * requestsPerSecond, 10) };
    };
    const direct = members.filter((k) => k.spec.via === undefined);
    const capacityOf = (k: (typeof direct)[number]) =>
      removed.has(k.spec.id) || !isEligible(k) ? 0 : k.spec.capacity || null;
    const endpoints = direct.map((k): EndpointLoad => {
      const { before, after } = this.#of(k.spec.id);
      const { id, region } = k.spec;
      return { id, region, ...pair(loadOf(before), loadOf(after)), capacity: capacityOf(k) };
    });
    const regions = [...new Set(direct.map((k) => k.spec.region))].map((region): RegionLoad => {
      const inside = direct.filter((k) => k.spec.region === region);
      const sum = (weight: (of: Weights) => number) => inside.reduce((all, k) => all + weight(this.#of(k.spec.id)), 0);
      const capacities = inside.map(capacityOf);
      const capacity = capacities.includes(null) ? null : capacities.reduce<number>((all, one) => all + (one ?? 0), 0);
      return { region, ...pair(loadOf(sum((of) => of.before)), loadOf(sum((of) => of.after))), capacity };
    });
    return {
      pool: spec.name,
      requestsPerSecond: rounded(requestsPerSecond, 10),
      unserved: total === 0 ? 0 : rounded(this.#unserved / total, 1e4),
      regions: regions.sort((a, b) => b.now.share - a.now.share || b.then.share - a.then.share),
      endpoints: endpoints.sort((a, b) => b.now.share - a.now.share || b.then.share - a.then.share),
    };
  }

  #of(id: string): Weights {
    const weights = this.#byEndpoint.get(id) ?? { before: 0, after: 0 };
    this.#byEndpoint.set(id, weights);
    return weights;
  }
}

/** Predicted times of the requests of one country. */
export class CountryTally {
  readonly before = new Spread();
  readonly after = new Spread();
  requests = 0;

  result(country: string | null): CountryEvacuation {
    return { country, requests: this.requests, ...pair(timesOf(this.before), timesOf(this.after)) };
  }
}

function pair<T>(now: T, then: T): { readonly now: T; readonly then: T } {
  return { now, then };
}

function timesOf(spread: Spread): Times {
  return { p50Ms: spread.quantile(0.5), p99Ms: spread.quantile(0.99) };
}

function rounded(value: number, parts: number): number {
  return Math.round(value * parts) / parts;
}
