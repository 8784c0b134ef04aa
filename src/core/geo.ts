// Distance on the globe and what it says about time. Pure. No databases and no region names here: those are geoip/.
// The constants are DESIGN.md's, section 5: light in fibre is the floor, and what cables and routers add is the prior.

import type { LatLon } from './snapshot.ts';

/** Mean radius of the Earth (IUGG R1). A sphere is 0.5 % wrong at worst: cables are not straight by far more. */
const EARTH_RADIUS_KM = 6371.0088;
const RAD_PER_DEG = Math.PI / 180;

/** There and back in fibre, at 2/3 of c: 1 ms for every 100 km of distance. */
const KM_PER_RTT_MS = 100;
/** A real path is about twice the great circle, plus what the last hops at both ends take. */
const PRIOR_DETOUR = 2;
const PRIOR_BASE_MS = 2;

/** Great-circle distance. km, 0…20,016. NaN when a coordinate is not finite. Source: the haversine formula. */
export function distanceKm(a: LatLon, b: LatLon): number {
  const sinLat = Math.sin(((b.latDeg - a.latDeg) * RAD_PER_DEG) / 2);
  const sinLon = Math.sin(((b.lonDeg - a.lonDeg) * RAD_PER_DEG) / 2);
  const h = sinLat * sinLat + Math.cos(a.latDeg * RAD_PER_DEG) * Math.cos(b.latDeg * RAD_PER_DEG) * sinLon * sinLon;
  // Rounding may take h a hair beyond 1 for antipodes, where asin gives NaN.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(h > 1 ? 1 : h));
}

/** The place as a point on the unit sphere, into `points[at … at + 2]`; NaN for null. */
export function writePoint(place: LatLon | null, points: Float64Array, at: number): void {
  const lat = (place?.latDeg ?? Number.NaN) * RAD_PER_DEG;
  const lon = (place?.lonDeg ?? Number.NaN) * RAD_PER_DEG;
  points[at] = Math.cos(lat) * Math.cos(lon);
  points[at + 1] = Math.cos(lat) * Math.sin(lon);
  points[at + 2] = Math.sin(lat);
}

/**
 * Square of the straight line through the globe between two points that were written before, in squares of its radius: 0…4.
 * Grows with the distance, and needs no trigonometry where one place meets a thousand. NaN when a place is unknown. Not the
 * angle's cosine, which loses all digits for places that are near.
 */
export function chordSquare(a: Float64Array, at: number, b: Float64Array, bt: number): number {
  const x = a[at]! - b[bt]!;
  const y = a[at + 1]! - b[bt + 1]!;
  const z = a[at + 2]! - b[bt + 2]!;
  return x * x + y * y + z * z;
}

/** distanceKm of two places by the square of their chord. */
export function chordKm(square: number): number {
  const half = Math.sqrt(square) / 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(half > 1 ? 1 : half);
}

/** The inverse: 4 for all that is farther than the globe is wide. `km` ≥ 0. */
export function chordSquareOf(km: number): number {
  const angle = km / (2 * EARTH_RADIUS_KM);
  return angle >= Math.PI / 2 ? 4 : 4 * Math.sin(angle) ** 2;
}

/** The round trip that light in fibre needs: nothing real is faster. ms. */
export function boundMs(distanceKm: number): number {
  return distanceKm / KM_PER_RTT_MS;
}

/** The round trip to expect of an endpoint that nobody has measured yet. ms, ≥ 2. */
export function priorMs(distanceKm: number): number {
  return PRIOR_BASE_MS + PRIOR_DETOUR * boundMs(distanceKm);
}

/** The inverse: how far away something may be that has this prior. km, ≥ 0. */
export function priorKm(ms: number): number {
  return Math.max(((ms - PRIOR_BASE_MS) / PRIOR_DETOUR) * KM_PER_RTT_MS, 0);
}
