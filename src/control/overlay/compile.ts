// What `overlay` adds to the structure: for each endpoint of a pool that some route lets go over other edges, one more path per
// peer; the listener that belongs to peers; and by which key a peer may ask for which endpoint. Plain functions of the
// configuration: slots and numbers are the registry's.

import { createHash } from 'node:crypto';
import { newReplays } from '../../core/overlay/replays.ts';
import { MAX_SLOTS, type OverlayMode, type OverlaySpec, type ViaSpec } from '../../core/snapshot.ts';
import type { Config, EndpointConfig, ListenerConfig } from '../config/config.ts';
import { OVERLAY_LISTENER, type OverlayConfig, type PeerConfig } from '../config/overlay.ts';
import { isInside } from '../config/residency.ts';

/** Paths over peers, of all pools: each takes a slot and a place in its rows. */
const MAX_RELAYS = 1024;

/** One path over a peer. */
export interface Relay {
  /** Index of the pool, and the endpoint's position in it. */
  readonly pool: number;
  readonly member: number;
  readonly peer: PeerConfig;
  readonly key: string;
}

/** What a hop calls an endpoint. Edges that mean the same by `match` get the same; nobody else can make it up from ids alone. */
export function hopKeyOf(pool: string, id: string, url: string, match: 'url' | 'id'): string {
  const what = match === 'url' ? [pool, id, url] : [pool, id];
  return createHash('sha256').update(what.join('\0')).digest('base64url').slice(0, 22);
}

/** Indexes of pools that a route lets go over other edges: only for these does this node know its peers, and serve them. */
export function overlaidPools({ overlay, pools, routes }: Config): ReadonlySet<number> {
  const names = new Set(routes.filter((route) => (route.overlay ?? 'off') !== 'off').map(({ pool }) => pool));
  return new Set(overlay === null ? [] : pools.map((_, i) => i).filter((i) => names.has(pools[i]!.name)));
}

/** All paths over peers, pool by pool; how many more there would be than can be had. */
export function relaysOf(config: Config): { readonly relays: readonly Relay[]; readonly missing: number } {
  const { overlay, pools } = config;
  if (overlay === null) return { relays: [], missing: 0 };
  const all = [...overlaidPools(config)].flatMap((pool) =>
    pools[pool]!.endpoints.flatMap((endpoint, member) => {
      if (!isShareable(endpoint)) return [];
      const key = hopKeyOf(pools[pool]!.name, endpoint.id, endpoint.url, overlay.match);
      return overlay.peers.map((peer) => ({ pool, member, peer, key }));
    }),
  );
  // Half of what is left: a reload may need as many again before the old ones are free.
  const used = pools.reduce((sum, { endpoints }) => sum + endpoints.length, 0);
  const room = Math.min(MAX_RELAYS, Math.max(Math.floor((MAX_SLOTS - used) / 2), 0));
  return { relays: all.slice(0, room), missing: Math.max(all.length - room, 0) };
}

/** A socket file is this machine's own. */
function isShareable({ socketPath }: EndpointConfig): boolean {
  return socketPath === null;
}

/** The path as an endpoint. `target`: index of the endpoint itself. */
export function relayEndpoint(relay: Relay, direct: EndpointConfig, pool: string, target: number): EndpointConfig {
  const { peer, key } = relay;
  const via: ViaSpec = { peer: peer.id, endpoint: direct.id, target, pool, key, costMs: peer.costMs };
  return {
    ...direct,
    id: `${direct.id} via ${peer.id}`,
    scheme: peer.scheme,
    host: peer.host,
    port: peer.port,
    // How long the way over two legs is, no distance tells.
    location: null,
    egressUsdPerGb: direct.egressUsdPerGb + peer.egressUsdPerGb,
    via,
  };
}

/** Whether data of these residents may pass the peer. */
export function isPeerInside(
  { region, location, host }: PeerConfig,
  residency: readonly string[],
  countryOf: (ip: string) => string | null,
): boolean {
  return residency.length === 0 || isInside({ region, hasLocation: location !== null, host }, residency, countryOf);
}

/** Its listener, behind those of the configuration. */
export function overlayListener({ address, tls }: OverlayConfig): ListenerConfig {
  return {
    name: OVERLAY_LISTENER,
    host: address.host,
    port: address.port,
    path: null,
    proxyProtocol: 'off',
    tls: tls?.listener ?? null,
    isForPeers: true,
  };
}

/** `first`: index of each pool's first endpoint; `replays`: of the Snapshot before, which had better be gone on with. */
export function overlaySpec(
  config: Config,
  first: readonly number[],
  routes: { uidOf(name: string): number },
  replays: SharedArrayBuffer | null,
): OverlaySpec | null {
  const { overlay, pools } = config;
  if (overlay === null) return null;
  const served: Record<string, number> = {};
  for (const pool of overlaidPools(config)) {
    pools[pool]!.endpoints.forEach((endpoint, member) => {
      if (!isShareable(endpoint)) return;
      served[hopKeyOf(pools[pool]!.name, endpoint.id, endpoint.url, overlay.match)] = first[pool]! + member;
    });
  }
  const { tls, secret, otherSecret } = overlay;
  return {
    listener: OVERLAY_LISTENER,
    self: config.node.id,
    peers: overlay.peers.map(({ id }) => id),
    tls: tls === null ? null : { ca: tls.ca, cert: tls.cert, key: tls.key },
    secret,
    otherSecret,
    replays: secret === null ? null : (replays ?? newReplays()),
    served,
    routeUid: routes.uidOf('overlay'),
  };
}

/** As it stands in a row. */
export function modeOf(route: { readonly overlay?: OverlayMode; readonly pool: string | null }): OverlayMode {
  return route.pool === null ? 'off' : (route.overlay ?? 'off');
}
