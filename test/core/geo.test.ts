import { describe, expect, test } from 'vitest';
import { boundMs, distanceKm, priorMs } from '../../src/core/geo.ts';

const at = (latDeg: number, lonDeg: number) => ({ latDeg, lonDeg });
const FRANKFURT = at(50.11, 8.68);

describe('distance', () => {
  test('is what an atlas says, within half a percent', () => {
    expect(distanceKm(FRANKFURT, at(40.71, -74.01))).toBeCloseTo(6204, -2);
    expect(distanceKm(FRANKFURT, at(-33.87, 151.21))).toBeCloseTo(16_480, -2);
    expect(distanceKm(at(0, 0), at(0, 1))).toBeCloseTo(111.195, 2);
  });

  test('is zero to the same place, and the same both ways', () => {
    expect(distanceKm(FRANKFURT, FRANKFURT)).toBe(0);
    expect(distanceKm(FRANKFURT, at(1.28, 103.85))).toBeCloseTo(distanceKm(at(1.28, 103.85), FRANKFURT), 9);
  });

  test('takes the short way over the date line and over the poles', () => {
    expect(distanceKm(at(0, 179.5), at(0, -179.5))).toBeCloseTo(111.195, 2);
    expect(distanceKm(at(89, 0), at(89, 180))).toBeCloseTo(222.39, 1);
  });

  test('is half the way round, not NaN, between antipodes', () => {
    for (let lat = -90; lat <= 90; lat += 7.3) {
      expect(distanceKm(at(lat, 12.3), at(-lat, -167.7))).toBeCloseTo(20_015.1, 0);
    }
  });
});

test('light in fibre needs 1 ms there and back for every 100 km; the prior is twice that and 2 ms', () => {
  expect(boundMs(0)).toBe(0);
  expect(boundMs(6200)).toBe(62);
  expect(priorMs(0)).toBe(2);
  expect(priorMs(6200)).toBe(126);
});
