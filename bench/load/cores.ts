// Who runs where. The proxy under load has a core a worker from the first on; origin and generator have the last one. Where
// that leaves nothing for them (two workers on two cores) all share all, and only CPU per request says something.

import { availableParallelism } from 'node:os';

const CORES = availableParallelism();

export interface Placement {
  readonly proxy: number | string;
  readonly load: number | string;
}

export function placementOf(workers: number): Placement {
  const everywhere = CORES === 1 ? '0' : `0-${CORES - 1}`;
  if (workers >= CORES) return { proxy: everywhere, load: everywhere };
  return { proxy: workers === 1 ? 0 : `0-${workers - 1}`, load: CORES - 1 };
}

export function isCrowded(workers: number): boolean {
  return workers >= CORES;
}
