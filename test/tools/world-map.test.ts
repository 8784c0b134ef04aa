// The map's asset and its script say the same, and the browser's projection is that of the land.

import { readFileSync } from 'node:fs';
import { geoEqualEarth } from 'd3-geo';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ASSET, makeWorld } from '../../tools/world-map.ts';

interface World {
  readonly PROJECTION: { lonDeg: number; scale: number; x: number; y: number };
  readonly WIDTH: number;
  readonly HEIGHT: number;
  readonly LAND: Readonly<Record<string, string>>;
}
const load = async <T>(path: string): Promise<T> => (await import(new URL(path, import.meta.url).href)) as T;
const world = await load<World>('../../src/console/map/world.js');
const { project } = await load<{ project(latDeg: number, lonDeg: number): [number, number] }>(
  '../../src/console/map/projection.js',
);
const { placesOf } = await load<{
  placesOf(points: { index: number; x: number; y: number }[]): { x: number; y: number; members: number[] }[];
}>('../../src/console/map/places.js');

describe('the map of the world', () => {
  it('is what its script makes of the atlas, and small', () => {
    const text = readFileSync(ASSET, 'utf8');
    expect(text === makeWorld(), 'run node tools/world-map.ts').toBe(true);
    expect(text.length).toBeLessThan(60_000);
  });

  it('has the countries by the codes that GeoIP uses, and no Antarctica', () => {
    expect(Object.keys(world.LAND).length).toBeGreaterThan(170);
    for (const code of ['DE', 'US', 'BR', 'JP', 'ZA', 'AU', 'GL']) expect(world.LAND[code]).toMatch(/^M\d+ \d+l/);
    expect(world.LAND).not.toHaveProperty('AQ');
    expect(world.HEIGHT / world.WIDTH).toBeLessThan(0.5);
  });

  it('projects points as d3 projected the land', () => {
    const { lonDeg, scale, x, y } = world.PROJECTION;
    const theirs = geoEqualEarth().rotate([-lonDeg, 0]).scale(scale).translate([x, y]);
    fc.assert(
      fc.property(
        fc.double({ min: -89, max: 89, noNaN: true }),
        fc.double({ min: -168, max: 190, noNaN: true }),
        (lat, lon) => {
          const [ax, ay] = project(lat, lon);
          const [bx, by] = theirs([lon, lat])!;
          expect(Math.hypot(ax - bx, ay - by)).toBeLessThan(1e-6);
        },
      ),
    );
  });

  it('puts known places where their countries are', () => {
    for (const [lat, lon] of [
      [50.11, 8.68],
      [-33.87, 151.21],
      [37.77, -122.42],
      [-23.55, -46.63],
    ] as const) {
      const [x, y] = project(lat, lon);
      expect(x).toBeGreaterThan(0);
      expect(x).toBeLessThan(world.WIDTH);
      expect(y).toBeGreaterThan(0);
      expect(y).toBeLessThan(world.HEIGHT);
    }
  });
});

describe('places on the map', () => {
  it('join what would overlap, lose nobody, and stand from west to east', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ x: fc.integer({ min: 0, max: 900 }), y: fc.integer({ min: 0, max: 400 }) }), {
          maxLength: 80,
        }),
        (spots) => {
          const places = placesOf(spots.map((spot, index) => ({ index, ...spot })));
          expect(places.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual(spots.map((_, i) => i));
          places.forEach((a, i) => {
            if (i > 0) expect(a.x).toBeGreaterThanOrEqual(places[i - 1]!.x);
            for (const b of places.slice(0, i)) expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeGreaterThanOrEqual(22);
          });
        },
      ),
    );
  });
});
