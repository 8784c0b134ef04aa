// What answers took beyond what was expected of them: the spread that a predicted time has, learned from recorded decisions. An
// endpoint has its own where enough of its answers are known; else that of its pool stands for it.

import { liveScoresOf, type PickState } from '../../core/decision.ts';
import { thinned } from './estimate.ts';
import type { Recorded } from './parse.ts';
import { expectedMs } from './predicted.ts';

/** Residuals that stand for an endpoint's spread, and how many it takes for it to have its own. */
const RESIDUALS = 128;
const LEAST_RESIDUALS = 20;

export class Residuals {
  readonly #byEndpoint = new Map<string, number[]>();
  readonly #byPool = new Map<string, number[]>();
  /** Of all that was learned so far; made when it is first asked for. */
  readonly #standing = new Map<string, readonly number[]>();

  /** All of them, before the first prediction. */
  learn({ pool, state, place, endpoint, firstByteMs }: Recorded): void {
    if (firstByteMs === null) return;
    const residual = firstByteMs - expectedMs(state, place, liveScoresOf(state));
    push(this.#byEndpoint, `${pool} ${endpoint}`, residual);
    push(this.#byPool, pool, residual);
  }

  /** Tells the times that a choice may take, ms, of which each stands for a part of `weight`. */
  predict(
    pool: string,
    state: PickState,
    place: number,
    weight: number,
    observe: (ms: number, weight: number) => void,
  ): void {
    const ms = expectedMs(state, place, liveScoresOf(state));
    const residuals = this.#of(pool, state.endpoints[place]!.id);
    if (residuals.length === 0) observe(ms, weight);
    for (const residual of residuals) observe(Math.max(ms + residual, 0), weight / residuals.length);
  }

  #of(pool: string, endpoint: string): readonly number[] {
    const key = `${pool} ${endpoint}`;
    const known = this.#standing.get(key);
    if (known !== undefined) return known;
    const own = this.#byEndpoint.get(key) ?? [];
    const residuals = own.length >= LEAST_RESIDUALS ? thinned(own, RESIDUALS) : this.#ofPool(pool);
    this.#standing.set(key, residuals);
    return residuals;
  }

  #ofPool(pool: string): readonly number[] {
    const known = this.#standing.get(pool);
    if (known !== undefined) return known;
    const all = this.#byPool.get(pool) ?? [];
    const residuals = all.length >= LEAST_RESIDUALS ? thinned(all, RESIDUALS) : [];
    this.#standing.set(pool, residuals);
    return residuals;
  }
}

function push(lists: Map<string, number[]>, key: string, value: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
