// The control plane's part in limits on rates: it owns the table of buckets that the workers take from, tells it which limits
// there are, frees what is over, and has what several nodes share settled (settler.ts).

import { sweep } from '../../core/limit/sweep.ts';
import { BUCKETS, newRateTable, RateTable, rateRule } from '../../core/limit/table.ts';
import type { RateLimitSpec, Snapshot } from '../../core/snapshot.ts';
import type { RedisLink } from '../redis/link.ts';
import { isKnown } from './accounts.ts';
import { Settler } from './settler.ts';

const TICK_MS = 100;
/** The whole table is looked through in so many ticks: sooner than the fastest clock comes round. */
const TICKS_A_SWEEP = 40;
const SLICE = Math.ceil(BUCKETS / TICKS_A_SWEEP);

export interface LimitsOptions {
  readonly clock: () => number;
  readonly redis: RedisLink;
}

export class Limits {
  /** What the workers share. */
  readonly buffer = newRateTable();
  readonly #table = new RateTable(this.buffer);
  readonly #clock: () => number;
  readonly #settler: Settler;
  #timer: NodeJS.Timeout | null = null;
  #isStarted = false;
  #hasLimits = false;
  #at = 0;
  #counting = 0;
  #keys = 0;

  constructor({ clock, redis }: LimitsOptions) {
    this.#clock = clock;
    this.#settler = new Settler(this.#table, redis, clock);
  }

  /** Keys that owed something when they were last looked at, within 4 s. */
  get keys(): number {
    return this.#keys;
  }

  /** Keys that were forgotten while they owed, for want of room. */
  get evicted(): number {
    return this.#table.evicted;
  }

  get nodes(): number {
    return this.#settler.nodes;
  }

  get settled(): number {
    return this.#settler.settled;
  }

  install({ routes }: Pick<Snapshot, 'routes'>): void {
    const all = routes.flatMap(({ rateLimits }) => rateLimits);
    for (const { index, ratePerS, burst } of all) this.#table.setRule(rateRule(index, ratePerS, burst, false));
    const shared = new Map<number, RateLimitSpec>();
    for (const limit of all) if (limit.scope === 'fleet') shared.set(limit.index, limit);
    for (const { index, scope } of all) if (scope === 'node') this.#table.force(index, 0);
    this.#settler.install(shared);
    this.#hasLimits = all.length > 0;
    this.#setTimer();
  }

  start(): void {
    this.#isStarted = true;
    this.#setTimer();
  }

  stop(): void {
    this.#isStarted = false;
    this.#setTimer();
    this.#settler.leave();
  }

  /** A node without limits is not woken for them. */
  #setTimer(): void {
    const isWanted = this.#isStarted && this.#hasLimits;
    if (isWanted === (this.#timer !== null)) return;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = isWanted ? setInterval(() => this.#tick(), TICK_MS).unref() : null;
  }

  #tick(): void {
    this.#settler.tick();
    const nowMs = this.#clock();
    this.#counting += sweep(this.#table, this.#at, SLICE, nowMs, (at) => isKnown(this.#table, at, nowMs));
    this.#at += SLICE;
    if (this.#at < BUCKETS) return;
    this.#keys = this.#counting;
    this.#counting = 0;
    this.#at = 0;
  }
}
