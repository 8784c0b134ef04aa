// What a Snapshot says of routes that go by a key of their requests: how often (limit/), and where to (locality/).

/** What names whom a request is of. Header names lower case; segments of the path count from 1. */
export type KeySpec =
  | { readonly kind: 'client' | 'route' }
  | { readonly kind: 'header' | 'cookie'; readonly name: string }
  | { readonly kind: 'path'; readonly segment: number };

/** Requests go where the data of their key is. */
export interface LocalitySpec {
  readonly key: KeySpec;
  /** Nobody there is healthy: nobody is asked. Else anybody may be. */
  readonly isHard: boolean;
  /** Name of the directory that says where. */
  readonly directory: string;
  /** Keys of it that a node holds at most. */
  readonly max: number;
  /** By number of a place (control/locality/places.ts): row of the endpoints that are there; NONE = there are none. */
  readonly rows: readonly number[];
  /** For keys that the directory does not hold; NONE = the route's own row. */
  readonly unknownRow: number;
}

export interface RateLimitSpec {
  /** Its number in the table of buckets (core/limit/table.ts). */
  readonly index: number;
  /** As clients see it. */
  readonly name: string;
  /** The same at every node that has the same limit, and at no other: route, name and numbers. */
  readonly identity: string;
  readonly ratePerS: number;
  /** Requests that may come at once. */
  readonly burst: number;
  /** How long an empty bucket takes to fill, whole seconds, ≥ 1. */
  readonly fillS: number;
  readonly key: KeySpec;
  /** fleet = all nodes that share a Redis, together. */
  readonly scope: 'fleet' | 'node';
  /** Of requests without a key: limit = all of them share a bucket. */
  readonly onMissingKey: 'limit' | 'pass' | 'refuse';
  /** Of scope fleet, while Redis is away: an even share for each node, or nothing. */
  readonly redisDown: 'local' | 'closed';
  /** Answers that pass tell the client how it stands. */
  readonly headers: boolean;
}
