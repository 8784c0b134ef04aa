// Client address → place: where it is, and the cohorts under which what its requests measured is filed. A look-up in the GeoIP
// database walks some 20 tree nodes and decodes a record, so it is never made on the request path: an address not seen before
// is of the edge as a whole, and is learned behind it. Only a redirect asks at once: it has the client for one request.

import { LRUCache } from 'lru-cache';
import type { GeoReader } from '../../geoip/reader.ts';
import { CELL } from '../core/cells.ts';
import { type CohortPath, cohortPath, pathOf } from '../core/cohort.ts';
import type { LaneWriter } from '../core/lane-writer.ts';

/** Addresses remembered per worker. */
const ADDRESSES = 16_384;
/** Addresses waiting to be learned; more are left for their next request. */
const MAX_PENDING = 1024;

const RESULT = { HIT: 0, MISS: 1, CACHED: 2, ERROR: 3 } as const;

/** Where a client is, as far as it is known. */
export interface Place extends CohortPath {
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null;
  readonly asn: number | null;
  /** Both or neither. */
  readonly latDeg: number | null;
  readonly lonDeg: number | null;
}

/** Nowhere in particular: of no cohort but the edge's own. */
export const NOWHERE: Place = {
  ...cohortPath(0, 0, 0),
  country: null,
  asn: null,
  latDeg: null,
  lonDeg: null,
};

/** What a connection remembers of the client it asked for last. */
export class Whereabouts {
  address = '';
  place: Place = NOWHERE;
  /** Locator.epoch of that time. */
  epoch = -1;
}

export class Locator {
  /** Changes with the database. */
  #epoch = 0;
  readonly #lane: LaneWriter;
  readonly #known = new LRUCache<string, Place>({ max: ADDRESSES });
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
    this.#epoch++;
  }

  /** O(1); never throws; never looks into the database itself: NOWHERE until the address has been learned. `last`: of the asker. */
  placeOf(address: string, last: Whereabouts): Place {
    const known = last.epoch === this.#epoch && last.address === address ? last.place : this.#known.get(address);
    if (known !== undefined) {
      last.address = address;
      last.place = known;
      last.epoch = this.#epoch;
      if (this.#reader !== null) this.#lane.count(CELL.GEOIP, RESULT.CACHED, 0, 0);
      return known;
    }
    if (this.#pending.length < MAX_PENDING) {
      this.#pending.push(address);
      if (!this.#isScheduled) {
        this.#isScheduled = true;
        setImmediate(() => this.#learnPending());
      }
    }
    return NOWHERE;
  }

  /** The same, looked up at once if need be: 20 to 50 µs for an address not seen before. Never throws. */
  placeNow(address: string): Place {
    const known = this.#known.get(address);
    if (known === undefined) return this.#learn(address);
    if (this.#reader !== null) this.#lane.count(CELL.GEOIP, RESULT.CACHED, 0, 0);
    return known;
  }

  /** A few at a time, so that a burst of new clients does not hold up the loop. */
  #learnPending(): void {
    this.#isScheduled = false;
    for (let n = 0; n < 16; n++) {
      const address = this.#pending.pop();
      if (address === undefined) return;
      if (!this.#known.has(address)) this.#learn(address);
    }
    if (this.#pending.length > 0) {
      this.#isScheduled = true;
      setImmediate(() => this.#learnPending());
    }
  }

  #learn(address: string): Place {
    const record = this.#reader?.lookup(address) ?? null;
    const country = record?.country ?? null;
    const asn = record?.asn ?? null;
    const place: Place = {
      ...pathOf(address, country, asn),
      country,
      asn,
      latDeg: record?.latDeg ?? null,
      lonDeg: record?.lonDeg ?? null,
    };
    if (this.#reader !== null) this.#lane.count(CELL.GEOIP, country === null ? RESULT.MISS : RESULT.HIT, 0, 0);
    this.#known.set(address, place);
    return place;
  }
}
