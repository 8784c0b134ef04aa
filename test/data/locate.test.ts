// Client addresses become cohorts behind the requests, never in front of them.

import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadGeoFile } from '../../geoip/load.ts';
import { type GeoReader, openGeo } from '../../geoip/reader.ts';
import { CELL, GEOIP_RESULTS, LaneReader, LaneWriter, newLane } from '../../src/core/lane.ts';
import { cohortOfCountry, EDGE_COHORT, Locator } from '../../src/data/locate.ts';

const CITY = join(import.meta.dirname, '../fixtures/geoip/GeoLite2-City-Test.mmdb');
const LONDON = '81.2.69.160';
const GB = cohortOfCountry('GB');
const { file } = await loadGeoFile(CITY);

let lane: LaneReader;
let locator: Locator;
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
    expect(locator.cohortOf(LONDON)).toBe(EDGE_COHORT);
    expect(locator.cohortOf(LONDON)).toBe(EDGE_COHORT);
    expect(looked).toEqual([]);
    await turns(2);
    expect(locator.cohortOf(LONDON)).toBe(GB);
    expect(locator.cohortOf(LONDON)).toBe(GB);
    expect(looked).toEqual([LONDON]);
    expect(counted()).toEqual({ hit: 1, cached: 2 });
  });

  it('that no database knows stays of the edge and is not looked up again', async () => {
    locator.install(reader);
    for (const address of ['127.0.0.1', '', 'not an address']) {
      locator.cohortOf(address);
      await turns(2);
      expect(locator.cohortOf(address)).toBe(EDGE_COHORT);
    }
    await turns(2);
    expect(looked).toHaveLength(3);
    expect(counted()).toEqual({ miss: 3, cached: 3 });
  });

  it('is of the edge while there is no database, and is learned once there is one', async () => {
    expect(locator.cohortOf(LONDON)).toBe(EDGE_COHORT);
    await turns(2);
    expect(locator.cohortOf(LONDON)).toBe(EDGE_COHORT);
    locator.install(reader);
    locator.cohortOf(LONDON);
    await turns(2);
    expect(locator.cohortOf(LONDON)).toBe(GB);
  });

  it('is looked up again after the database was replaced, and forgotten with the last one', async () => {
    locator.install(reader);
    locator.cohortOf(LONDON);
    await turns(2);
    locator.install(reader);
    expect(locator.cohortOf(LONDON)).toBe(EDGE_COHORT);
    await turns(2);
    expect(locator.cohortOf(LONDON)).toBe(GB);
    locator.install(null);
    expect(locator.cohortOf(LONDON)).toBe(EDGE_COHORT);
    expect(looked).toHaveLength(2);
  });
});

describe('a burst of new clients', () => {
  it('is learned a few at a turn, and what is too much is left for its next request', async () => {
    locator.install(reader);
    const addresses = Array.from({ length: 1500 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    for (const address of addresses) locator.cohortOf(address);
    await turns(1);
    const first = looked.length;
    expect(first).toBeLessThanOrEqual(32);
    await turns(100);
    expect(looked).toHaveLength(1024);
    for (const address of addresses) locator.cohortOf(address);
    await turns(100);
    expect(new Set(looked).size).toBe(1500);
    expect(looked).toHaveLength(1500);
  });
});

it('cohorts of countries differ from each other and from the edge', () => {
  const codes = Array.from({ length: 26 * 26 }, (_, i) => String.fromCharCode(65 + Math.floor(i / 26), 65 + (i % 26)));
  const cohorts = new Set(codes.map(cohortOfCountry));
  expect(cohorts.size).toBe(676);
  expect(cohorts.has(EDGE_COHORT)).toBe(false);
});
