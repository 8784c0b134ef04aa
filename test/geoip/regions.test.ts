import { describe, expect, test } from 'vitest';
import { regionsOf, rttOf } from '../../geoip/latency.ts';
import { findRegion, nearestRegion, regionNames } from '../../geoip/regions.ts';
import { boundMs, distanceKm } from '../../src/core/geo.ts';

describe('the catalogue of regions', () => {
  test('finds a region by its name, with place, country and label', () => {
    expect(findRegion('aws:eu-central-1')).toEqual({
      name: 'aws:eu-central-1',
      latDeg: expect.closeTo(50.1, 0),
      lonDeg: expect.closeTo(8.7, 0),
      country: 'DE',
      label: 'Europe (Frankfurt)',
    });
    expect(findRegion('azure:westeurope')).toMatchObject({ country: 'NL', label: 'West Europe' });
  });

  test('has no region for a name it does not know, whatever the name', () => {
    for (const name of ['', 'eu-central-1', 'aws:', 'AWS:eu-central-1', 'constructor', '__proto__']) {
      expect(findRegion(name)).toBeNull();
    }
  });

  test('knows place and country of every region, for residency rules need them', () => {
    const names = regionNames();
    expect(names.length).toBeGreaterThan(120);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) {
      const region = findRegion(name)!;
      expect(region.country, name).toMatch(/^[A-Z]{2}$/);
      expect(Math.abs(region.latDeg), name).toBeLessThanOrEqual(90);
      expect(Math.abs(region.lonDeg), name).toBeLessThanOrEqual(180);
      expect(region.label, name).not.toBe('');
    }
  });

  test.each([
    ['aws:us-east-1', 'US'],
    ['aws:ap-southeast-1', 'SG'],
    ['aws:ap-southeast-3', 'ID'],
    ['aws:ap-south-1', 'IN'],
    ['aws:ca-central-1', 'CA'],
    ['aws:sa-east-1', 'BR'],
    ['azure:brazilus', 'BR'],
    ['azure:southeastasia', 'SG'],
    ['azure:eastasia', 'HK'],
    ['azure:northeurope', 'IE'],
    ['azure:uksouth', 'GB'],
    ['azure:eastus2euap', 'US'],
    ['gcp:us-west4', 'US'],
    ['gcp:southamerica-east1', 'BR'],
    ['gcp:asia-east1', 'TW'],
    ['gcp:europe-west6', 'CH'],
  ])('%s is in %s', (name, country) => {
    expect(findRegion(name)?.country).toBe(country);
  });

  test('finds the nearest region to a place, of all or of one provider', () => {
    expect(nearestRegion(50.1, 8.7, 'aws')?.name).toBe('aws:eu-central-1');
    expect(nearestRegion(50.1, 8.7, 'gcp')?.name).toBe('gcp:europe-west3');
    expect(nearestRegion(1.35, 103.8, 'aws')?.name).toBe('aws:ap-southeast-1');
    expect(nearestRegion(52.5, 13.4)?.name).toBe('gcp:europe-west10');
    expect(nearestRegion(50.1, 8.7, 'nobody')).toBeNull();
    expect(nearestRegion(Number.NaN, 8.7)).toBeNull();
  });
});

describe('the measured round trips', () => {
  test('are there from every region of the matrix to every other', () => {
    for (const provider of ['aws', 'gcp'] as const) {
      const names = regionsOf(provider);
      expect(names.length).toBeGreaterThanOrEqual(19);
      for (const from of names) {
        for (const to of names) {
          const rtt = rttOf(provider, from, to)!;
          expect(rtt.minMs, `${from} ${to}`).toBeGreaterThan(0);
          expect(rtt.avgMs).toBeGreaterThanOrEqual(rtt.minMs);
          expect(rtt.maxMs).toBeGreaterThanOrEqual(rtt.avgMs);
          expect(rtt.mdevMs).toBeGreaterThanOrEqual(0);
        }
      }
    }
  });

  test('are slower than light, by the places of the catalogue', () => {
    for (const provider of ['aws', 'gcp'] as const) {
      for (const from of regionsOf(provider)) {
        for (const to of regionsOf(provider)) {
          const a = findRegion(`${provider}:${from}`)!;
          const b = findRegion(`${provider}:${to}`)!;
          // Some places in the catalogue are off by some tens of km (Ohio, São Paulo).
          expect(rttOf(provider, from, to)!.minMs + 1, `${from} ${to}`).toBeGreaterThan(
            0.9 * boundMs(distanceKm(a, b)),
          );
        }
      }
    }
  });

  test('are null for regions that were not measured', () => {
    expect(rttOf('aws', 'eu-central-1', 'moon-1')).toBeNull();
    expect(rttOf('aws', 'constructor', 'eu-central-1')).toBeNull();
    expect(rttOf('gcp', 'asia-east1', '__proto__')).toBeNull();
  });
});
