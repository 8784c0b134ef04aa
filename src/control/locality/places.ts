// Where data can be: a region of the catalogue, or a cloud as a whole (`aws`). Each has a number, the same in all threads of the
// process; what is stored in Redis is the name. Whatever else stands there is ELSEWHERE: a place, but none that is known here.

import { regionNames } from '../../../geoip/regions.ts';

const NAMES: readonly string[] = [...cloudsOf(regionNames()), ...regionNames()];
const NUMBERS: ReadonlyMap<string, number> = new Map(NAMES.map((name, i) => [name, i + 1]));

/** Known by another version's catalogue, or a slip of somebody's: no endpoint is there. */
export const ELSEWHERE = NAMES.length + 1;
/** One more than the largest number. */
export const PLACES = ELSEWHERE + 1;

export function isPlace(name: string): boolean {
  return NUMBERS.has(name);
}

/** Number of a place, > 0. */
export function placeNumber(name: string): number {
  return NUMBERS.get(name) ?? ELSEWHERE;
}

/** null = no place, or one that is not known here. */
export function placeName(number: number): string | null {
  return NAMES[number - 1] ?? null;
}

export function placeNames(): readonly string[] {
  return NAMES;
}

/** Whether an endpoint of this region is at the place. */
export function isAt(region: string | null, place: string): boolean {
  return region !== null && (region === place || (!place.includes(':') && region.startsWith(`${place}:`)));
}

function cloudsOf(regions: readonly string[]): string[] {
  return [...new Set(regions.map((name) => name.slice(0, name.indexOf(':'))))];
}
