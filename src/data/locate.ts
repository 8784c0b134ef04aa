// Client address → cohort, the key under which what its requests measured is filed. A look-up in the GeoIP database walks
// some 20 tree nodes and decodes a record, so it is never made on the request path: an address not seen before uses the
// edge's own row and is learned behind it. First cut: the cohort is the country.

import { LRUCache } from 'lru-cache';
import type { GeoReader } from '../../geoip/reader.ts';
import { CELL, type LaneWriter } from '../core/lane.ts';

/** The edge as a whole: no cohort of its own. */
export const EDGE_COHORT = 0;
/** Addresses remembered per worker. */
const ADDRESSES = 16_384;
/** Addresses waiting to be learned; more are left for their next request. */
const MAX_PENDING = 1024;

const RESULT = { HIT: 0, MISS: 1, CACHED: 2, ERROR: 3 } as const;

/** Two letters as a number, ≥ 1; the edge is 0. */
export function cohortOfCountry(country: string): number {
  return (country.charCodeAt(0) << 8) | country.charCodeAt(1);
}

export class Locator {
  readonly #lane: LaneWriter;
  readonly #known = new LRUCache<string, number>({ max: ADDRESSES });
  readonly #pending: string[] = [];
  #reader: GeoReader | null = null;
  #isScheduled = false;

  constructor(lane: LaneWriter) {
    this.#lane = lane;
  }

  /** A new database: what the old one said is forgotten. */
  install(reader: GeoReader | null): void {
    this.#reader = reader;
    this.#known.clear();
  }

  /** O(1); never throws; never looks into the database itself. */
  cohortOf(address: string): number {
    const known = this.#known.get(address);
    if (known !== undefined) {
      this.#lane.count(CELL.GEOIP, RESULT.CACHED, 0, 0);
      return known;
    }
    if (this.#reader !== null && this.#pending.length < MAX_PENDING) {
      this.#pending.push(address);
      if (!this.#isScheduled) {
        this.#isScheduled = true;
        setImmediate(() => this.#learn());
      }
    }
    return EDGE_COHORT;
  }

  /** A few at a time, so that a burst of new clients does not hold up the loop. */
  #learn(): void {
    this.#isScheduled = false;
    for (let n = 0; n < 16; n++) {
      const address = this.#pending.pop();
      if (address === undefined) return;
      if (this.#known.has(address)) continue;
      const country = this.#reader?.lookup(address)?.country ?? null;
      this.#lane.count(CELL.GEOIP, country === null ? RESULT.MISS : RESULT.HIT, 0, 0);
      this.#known.set(address, country === null ? EDGE_COHORT : cohortOfCountry(country));
    }
    if (this.#pending.length > 0) {
      this.#isScheduled = true;
      setImmediate(() => this.#learn());
    }
  }
}
