// Names of nodes in the shared list, and whose digests to read first: the nearest, whose network is ours too, and a few others
// by chance, who know how the servers are.

import { distanceKm } from '../../core/geo.ts';
import type { LatLon } from '../../core/snapshot.ts';

export interface NodeName {
  readonly instance: string;
  readonly place: LatLon | null;
}

const NEAREST = 8;
const OTHERS = 4;

/** `instance` or `instance:lat:lon`. */
export function nameOf({ instance, place }: NodeName): string {
  return place === null ? instance : `${instance}:${place.latDeg.toFixed(1)}:${place.lonDeg.toFixed(1)}`;
}

/** null = not one of our names. */
export function readName(text: string): NodeName | null {
  const match = /^([0-9a-f]{16})(?::(-?\d{1,2}\.\d):(-?\d{1,3}\.\d))?$/.exec(text);
  if (match === null) return null;
  const [latDeg, lonDeg] = [Number(match[2]), Number(match[3])];
  const isPlace = match[2] !== undefined && Math.abs(latDeg) <= 90 && Math.abs(lonDeg) <= 180;
  return { instance: match[1]!, place: isPlace ? { latDeg, lonDeg } : null };
}

/** Instances of at most twelve others, the nearest first. */
export function worthReading(names: readonly unknown[], self: NodeName, random: () => number): readonly string[] {
  const others = names
    .map((name) => (typeof name === 'string' ? readName(name) : null))
    .filter((name) => name !== null && name.instance !== self.instance) as NodeName[];
  const kmOf = ({ place }: NodeName): number =>
    place === null || self.place === null ? Number.POSITIVE_INFINITY : distanceKm(place, self.place);
  const sorted = others
    .map((name) => ({ name, km: kmOf(name), chance: random() }))
    .sort((a, b) => (a.km === b.km ? a.chance - b.chance : a.km - b.km));
  const rest = sorted.slice(NEAREST).sort((a, b) => a.chance - b.chance);
  return [...sorted.slice(0, NEAREST), ...rest.slice(0, OTHERS)].map(({ name }) => name.instance);
}
