// A decision in memory as a replay works with it: what record.ts and parse.ts come to over a file, without the file.

import { cohortName } from '../../core/cohort.ts';
import type { EndpointSpec } from '../../core/snapshot.ts';
import type { Entry } from './entry.ts';
import type { Recorded } from './parse.ts';

/** `distanceKmOf`: great circle from this node; null = unknown. The propensity is left out: it takes a millisecond. */
export function recordedOf(entry: Entry, distanceKmOf: (endpoint: EndpointSpec) => number | null): Recorded {
  const { state, place, settled } = entry;
  return {
    id: entry.id.toString(36),
    atMs: entry.atMs,
    pool: state.pool.name,
    route: entry.route,
    row: entry.row,
    cohort: cohortName(entry.cohort),
    residency: entry.residency,
    endpoint: state.endpoints[place]!.id,
    place,
    role: entry.role,
    propensity: Number.NaN,
    every: entry.every,
    firstByteMs: settled === null || settled.firstByteMs < 0 ? null : settled.firstByteMs,
    bytes: settled?.bytes ?? null,
    state,
    distancesKm: state.endpoints.map(distanceKmOf),
  };
}
