// Client addresses become cohorts behind the requests, never in front of them.

import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadGeoFile } from '../../geoip/load.ts';
import { type GeoReader, openGeo } from '../../geoip/reader.ts';
import { CELL, GEOIP_RESULTS } from '../../src/core/cells.ts';
import { EDGE_COHORT, pathOf } from '../../src/core/cohort.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import { Locator, NOWHERE, Whereabouts } from '../../src/data/locate.ts';

const CITY = join(import.meta.dirname, '../fixtures/geoip/GeoLite2-City-Test.mmdb');
const LONDON = '81.2.69.160';
const GB = expect.objectContaining(pathOf(LONDON, 'GB', null));
const { file } = await loadGeoFile(CITY);

let lane: LaneReader;
let locator: Locator;
let last: Whereabouts;
let looked: string[];
/** The real database, and a note of what was looked up. */
const real = openGeo([file]);
const reader: GeoReader = {
  files: real.files,
  lookup(ip) {
    looked.push(ip);
    return real.lookup(ip);
  },
};

beforeEach(() => {
  last = new Whereabouts(); // one connection asks for all of them
  const buffer = newLane();
  lane = new LaneReader(buffer);
  locator = new Locator(new LaneWriter(buffer));
  looked = [];
});

function counted(): Record<string, number> {
  const counts: Record<string, number> = {};
  lane.eachCell((kind, a, _b, _c, values, at) => {
    if (kind === CELL.GEOIP) counts[GEOIP_RESULTS[a]!] = values[at]!;
  });
  return counts;
}

async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await turn();
}

describe('a client', () => {
  it('is of the edge at its first request and of its country from the next turn on, with one look-up', async () => {
    locator.install(reader);
    expect(locator.placeOf(LONDON, last)).toBe(NOWHERE);
    expect(locator.placeOf(LONDON, last)).toBe(NOWHERE);
    expect(looked).toEqual([]);
    await turns(2);
    expect(locator.placeOf(LONDON, last)).toEqual(GB);
    expect(locator.placeOf(LONDON, last)).toEqual(GB);
    expect(looked).toEqual([LONDON]);
    expect(counted()).toEqual({ hit: 1, cached: 2 });
  });

  it('that no database knows stays of the edge and is not looked up again', async () => {
    locator.install(reader);
    for (const address of ['127.0.0.1', '', 'not an address']) {
      locator.placeOf(address, last);
      await turns(2);
      expect(locator.placeOf(address, last)).toMatchObject({
        country: null,
        countryKey: EDGE_COHORT,
        asnKey: EDGE_COHORT,
      });
    }
    await turns(2);
    expect(looked).toHaveLength(3);
    expect(counted()).toEqual({ miss: 3, cached: 3 });
  });

  it('is of its prefix alone while there is no database, and of its country once there is one', async () => {
    expect(locator.placeOf(LONDON, last)).toBe(NOWHERE);
    await turns(2);
    expect(locator.placeOf(LONDON, last)).toEqual(expect.objectContaining(pathOf(LONDON, null, null)));
    expect(counted()).toEqual({});
    locator.install(reader);
    locator.placeOf(LONDON, last);
    await turns(2);
    expect(locator.placeOf(LONDON, last)).toEqual(GB);
  });

  it('is looked up at once for whoever cannot wait, and only the first time', () => {
    locator.install(reader);
    expect(locator.placeNow(LONDON)).toMatchObject({ country: 'GB', latDeg: expect.closeTo(51.5, 0) });
    expect(locator.placeNow(LONDON)).toBe(locator.placeOf(LONDON, last));
    expect(locator.placeNow('not an address')).toMatchObject({ country: null, prefixKey: EDGE_COHORT });
    expect(looked).toEqual([LONDON, 'not an address']);
  });

  it('is looked up again after the database was replaced, and forgotten with the last one', async () => {
    locator.install(reader);
    locator.placeOf(LONDON, last);
    await turns(2);
    locator.install(reader);
    expect(locator.placeOf(LONDON, last)).toBe(NOWHERE);
    await turns(2);
    expect(locator.placeOf(LONDON, last)).toEqual(GB);
    locator.install(null);
    expect(locator.placeOf(LONDON, last)).toBe(NOWHERE);
    expect(looked).toHaveLength(2);
  });
});

describe('a burst of new clients', () => {
  it('is learned a few at a turn, and what is too much is left for its next request', async () => {
    locator.install(reader);
    const addresses = Array.from({ length: 1500 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    for (const address of addresses) locator.placeOf(address, last);
    await turns(1);
    const first = looked.length;
    expect(first).toBeLessThanOrEqual(32);
    await turns(100);
    expect(looked).toHaveLength(1024);
    for (const address of addresses) locator.placeOf(address, last);
    await turns(100);
    expect(new Set(looked).size).toBe(1500);
    expect(looked).toHaveLength(1500);
  });
});
