// Realised regret: what exploration shows that the band could have had. An explored request that beat the mean of the band's
// requests of the same pool and cohort in the same seconds is one that the band lost by the difference. Fed with every sample,
// since explorations are few; bounded in cohorts.

import { OUTCOME, SAMPLE } from '../../core/sample.ts';
import { ROLE } from '../../core/selector.ts';
import type { Snapshot } from '../../core/snapshot.ts';

/** The same seconds. */
const WINDOW_MS = 5000;
/** Fewer answers of the band in them are no mean. */
const LEAST = 5;
/** Of all pools together; the longest silent is forgotten. */
const MAX_COHORTS = 4096;

interface Band {
  /** Of this window and of the one before. */
  sinceMs: number;
  sum: number;
  count: number;
  beforeSum: number;
  beforeCount: number;
}

export class RealisedRegret {
  readonly #onRegret: (pool: string, ms: number) => void;
  /** By pool and cohort. */
  readonly #bands = new Map<string, Band>();
  /** By slot. */
  #poolOfSlot: (string | undefined)[] = [];

  constructor(onRegret: (pool: string, ms: number) => void) {
    this.#onRegret = onRegret;
  }

  install({ pools, endpoints }: Snapshot): void {
    this.#poolOfSlot = [];
    for (const pool of pools) for (const i of pool.endpoints) this.#poolOfSlot[endpoints[i]!.slot] = pool.name;
  }

  /** One sample; O(1). */
  settled(ring: Float64Array, base: number): void {
    const firstByteMs = ring[base + SAMPLE.FIRST_BYTE_MS]!;
    const pool = this.#poolOfSlot[ring[base + SAMPLE.SLOT]!];
    if (pool === undefined || ring[base + SAMPLE.OUTCOME] !== OUTCOME.OK || !(firstByteMs >= 0)) return;
    const role = ring[base + SAMPLE.ROLE]!;
    if (role !== ROLE.BAND && role !== ROLE.EXPLORE) return;
    const band = this.#bandOf(`${pool} ${ring[base + SAMPLE.COHORT]!}`, ring[base + SAMPLE.AT_MS]!);
    if (role === ROLE.BAND) {
      band.sum += firstByteMs;
      band.count++;
      return;
    }
    const count = band.count + band.beforeCount;
    if (count >= LEAST) this.#onRegret(pool, Math.max(0, (band.sum + band.beforeSum) / count - firstByteMs));
  }

  #bandOf(key: string, atMs: number): Band {
    let band = this.#bands.get(key);
    if (band === undefined) {
      band = { sinceMs: atMs, sum: 0, count: 0, beforeSum: 0, beforeCount: 0 };
      if (this.#bands.size >= MAX_COHORTS) this.#bands.delete(this.#bands.keys().next().value!);
      this.#bands.set(key, band);
      return band;
    }
    const elapsedMs = atMs - band.sinceMs;
    if (elapsedMs < WINDOW_MS) return band;
    const isNext = elapsedMs < 2 * WINDOW_MS;
    band.beforeSum = isNext ? band.sum : 0;
    band.beforeCount = isNext ? band.count : 0;
    band.sum = 0;
    band.count = 0;
    band.sinceMs = atMs;
    // Back to the end of the line, so that the longest silent stands first.
    this.#bands.delete(key);
    this.#bands.set(key, band);
    return band;
  }
}
