// GET /api/v1/evacuation: question and answer. Shapes only.

export interface EvacuationQuery {
  /** Names of regions and ids of endpoints; at least one. */
  readonly regions: readonly string[];
  readonly endpoints: readonly string[];
  /** Of this pool alone; null = of all. */
  readonly pool: string | null;
}

/** Part of the pool's requests, 0…1, and how many that is. */
export interface Load {
  readonly share: number;
  readonly requestsPerSecond: number;
}

export interface RegionLoad {
  /** null = of endpoints whose region is not known. */
  readonly region: string | null;
  readonly now: Load;
  readonly then: Load;
  /** requests/s that those of its endpoints can take which stay and are healthy, 0 = none of them does; null = not configured. */
  readonly capacity: number | null;
}

export interface EndpointLoad extends RegionLoad {
  readonly id: string;
}

export interface PoolEvacuation {
  readonly pool: string;
  readonly requestsPerSecond: number;
  /** Part of its requests that would have nowhere to go, 0…1. */
  readonly unserved: number;
  readonly regions: readonly RegionLoad[];
  readonly endpoints: readonly EndpointLoad[];
}

/** Predicted time to the first byte, ms; null = there is nothing to go by. */
export interface Times {
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface CountryEvacuation {
  /** Two letters; null = not known. */
  readonly country: string | null;
  /** Decisions. */
  readonly requests: number;
  readonly now: Times;
  readonly then: Times;
}

export interface Evacuation {
  /** Ids of the endpoints that are taken away. */
  readonly removed: readonly string[];
  /** How many it is computed from, and since when those are. */
  readonly decisions: number;
  readonly sinceIso: string | null;
  /** What to beware of; null = nothing in particular. */
  readonly note: string | null;
  readonly pools: readonly PoolEvacuation[];
  readonly countries: readonly CountryEvacuation[];
}
