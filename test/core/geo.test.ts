import { describe, expect, test } from 'vitest';
import {
  boundMs,
  chordKm,
  chordSquare,
  chordSquareOf,
  distanceKm,
  priorKm,
  priorMs,
  writePoint,
} from '../../src/core/geo.ts';

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

describe('points written once', () => {
  const points = new Float64Array(6);
  const square = (a: ReturnType<typeof at> | null, b: ReturnType<typeof at> | null): number => {
    writePoint(a, points, 0);
    writePoint(b, points, 3);
    return chordSquare(points, 0, points, 3);
  };

  test('are as far apart as the places, near ones and antipodes included', () => {
    for (const [a, b] of [
      [FRANKFURT, at(40.71, -74.01)],
      [FRANKFURT, at(50.1101, 8.68)],
      [at(0, 179.5), at(0, -179.5)],
      [at(-33.87, 151.21), at(33.87, -28.79)],
    ] as const) {
      expect(chordKm(square(a, b))).toBeCloseTo(distanceKm(a, b), 3);
    }
    expect(chordKm(square(FRANKFURT, FRANKFURT))).toBe(0);
  });

  test('of which one is unknown have no distance', () => {
    expect(chordKm(square(null, FRANKFURT))).toBeNaN();
    expect(square(null, FRANKFURT) > 0).toBe(false);
  });

  test('tell by their chord alone who is farther than a distance', () => {
    for (const km of [0, 1, 100, 5000, 12_000, 20_000]) expect(chordKm(chordSquareOf(km))).toBeCloseTo(km, 6);
    expect(chordSquareOf(20_016)).toBe(4);
    expect(chordSquareOf(Number.POSITIVE_INFINITY)).toBe(4);
  });
});

test('a prior says how far away something may be; less than the least prior, not at all', () => {
  for (const km of [0, 10, 6200]) expect(priorKm(priorMs(km))).toBeCloseTo(km, 9);
  expect(priorKm(1)).toBe(0);
});
