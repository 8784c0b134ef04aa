// The overlay made ready for a worker: which endpoint each hop key leads to, and the route that requests of peers are counted
// and sent by. That route chooses nothing: no row, no retry, no second attempt; the edge that asks has all of these.

import { UNSENT_FIELD_LOWER } from '../../core/overlay/hop.ts';
import type { OverlaySpec, RouteSpec, Snapshot } from '../../core/snapshot.ts';
import type { PoolRuntime, RouteRuntime } from '../generation.ts';
import { Trust } from './trust.ts';

export interface OverlayRuntime {
  readonly spec: OverlaySpec;
  readonly trust: Trust;
  /** By hop key. */
  readonly served: ReadonlyMap<string, Served>;
}

export interface Served {
  readonly slot: number;
  readonly route: RouteRuntime;
}

/** No slot is inside: should ever a pick be made for a request of a peer, it finds nobody. */
const NOBODY = new Uint8Array(0);

export function overlayRuntimeOf(
  snapshot: Snapshot,
  pools: readonly PoolRuntime[],
  routeOf: (spec: RouteSpec) => RouteRuntime,
): OverlayRuntime | null {
  const spec = snapshot.overlay ?? null;
  if (spec === null) return null;
  const routes = snapshot.pools.map((_, pool) => relayRoute(spec, pools[pool]!, routeOf));
  const poolOf = new Map(
    snapshot.pools.flatMap(({ endpoints }, pool) => endpoints.map((index) => [index, pool] as const)),
  );
  const served = new Map(
    Object.entries(spec.served).map(([key, index]): [string, Served] => {
      return [key, { slot: snapshot.endpoints[index]!.slot, route: routes[poolOf.get(index)!]! }];
    }),
  );
  return { spec, trust: new Trust(spec), served };
}

function relayRoute(overlay: OverlaySpec, pool: PoolRuntime, routeOf: (spec: RouteSpec) => RouteRuntime): RouteRuntime {
  const route = routeOf({
    uid: overlay.routeUid,
    name: overlay.listener,
    host: null,
    path: '/',
    exact: false,
    listener: overlay.listener,
    pool: pool.index,
    row: pool.spec.row,
    mode: 'forward',
    residency: [],
    respond: null,
    stripPrefix: false,
    hostHeader: { kind: 'preserve' },
    requestHeaders: { set: [], remove: [] },
    responseHeaders: { set: [], remove: [] },
    serverTiming: false,
    priority: 'normal',
    compress: [],
    rateLimits: [],
    locality: null,
  });
  const { retry } = pool.spec;
  return {
    ...route,
    pool: { ...pool, hedging: null, spec: { ...pool.spec, hedge: null, retry: { ...retry, attempts: 0 } } },
    inside: NOBODY,
    responseDrops: [UNSENT_FIELD_LOWER],
    isRelay: true,
  };
}
