// Which row a request of a key would be picked from, told for people: the same look into the directory that workers take.

import { NOWHERE } from '../../core/locality/replica.ts';
import { NONE, type RouteSpec } from '../../core/snapshot.ts';
import type { Directory } from './directory.ts';
import { placeName } from './places.ts';

export interface PlacedView {
  readonly directory: string;
  readonly mode: 'hard' | 'soft';
  readonly key: string | null;
  /** Where its data is; null = the directory does not say. */
  readonly place: string | null;
}

export interface Placed {
  readonly view: PlacedView;
  /** NONE = the request goes nowhere. */
  readonly row: number;
  readonly note: string | null;
}

/** null = the route's requests go anywhere. */
export function placedBy(route: RouteSpec, key: string | null, directory: Directory | null): Placed | null {
  const { locality } = route;
  if (locality === null) return null;
  const { isHard, unknownRow } = locality;
  const mode = isHard ? 'hard' : 'soft';
  const viewOf = (place: string | null) => ({ directory: locality.directory, mode, key, place }) as const;
  if (directory?.isLoaded !== true) {
    const note = `the directory ${locality.directory} is not loaded`;
    return { view: viewOf(null), row: isHard ? NONE : route.row, note: isHard ? `${note}: 503` : note };
  }
  const number = key === null ? NOWHERE : directory.placeOf(key);
  if (number === NOWHERE) {
    const note =
      key === null ? 'no key given: as one that the directory does not hold' : 'the directory does not hold the key';
    return { view: viewOf(null), row: unknownRow === NONE ? route.row : unknownRow, note };
  }
  const place = placeName(number);
  const row = locality.rows[number] ?? NONE;
  if (row !== NONE) return { view: viewOf(place), row, note: null };
  const note = `no endpoint is at ${place ?? 'its place'}`;
  return { view: viewOf(place), row: isHard ? NONE : route.row, note: isHard ? `${note}: 503` : note };
}
