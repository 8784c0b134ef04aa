// Who routes in a run, by the name of the policy: nodes with the product's own choice, nodes that a peer's policy picks on,
// or nobody, since an oracle needs no node.

import { distanceKm } from '../../../src/core/geo.ts';
import { POLICIES, type PolicyName } from '../../../src/core/snapshot.ts';
import { Node } from './node.ts';
import { isPeer, PEERS, type Peer, type PeerView } from './peers.ts';
import { WORKERS } from './server.ts';
import type { WorldSpec } from './world.ts';

export const ORACLES = ['oracle-a', 'oracle-b'] as const;
/** The product as it comes; told what endpoints can take, as the waterfall is; and as one brain for all nodes (fleets). */
export const OWN = ['fermat', 'fermat-told', 'one'] as const;

export interface Cast {
  readonly nodes: readonly Node[];
  /** By node, or empty: the product picks itself. */
  readonly peers: readonly Peer[];
  readonly views: readonly PeerView[];
}

/** Throws when no policy has that name. */
export function castOf(spec: WorldSpec): Cast {
  const { policy, geography } = spec;
  if (ORACLES.some((name) => name === policy)) return { nodes: [], peers: [], views: [] };
  const isOwn = OWN.some((name) => name === policy);
  const inPool = POLICIES.find((name) => policy === `pool:${name}`);
  if (!isOwn && inPool === undefined && !isPeer(policy)) {
    throw new RangeError(`no policy ${policy}: expected ${[...OWN, ...ORACLES, ...Object.keys(PEERS)].join(', ')}`);
  }
  const poolPolicy = isOwn ? 'fastest' : (inPool ?? 'round-robin');
  const nodes = Array.from({ length: spec.nodes }, (_, n) => nodeOf(spec, n, poolPolicy));
  const peers = isPeer(policy) ? nodes.map(() => PEERS[policy](geography.endpoints.length)) : [];
  return { nodes, peers, views: peers.map((_, n) => viewOf(spec, n, nodes[n]!)) };
}

function nodeOf(spec: WorldSpec, n: number, policy: PolicyName): Node {
  const { geography, seed, absent } = spec;
  const place = geography.edges[n % geography.edges.length]!;
  return new Node({
    seed: seed * 1009 + n,
    edge: place.location,
    endpoints: geography.endpoints,
    // Its part, since the other nodes take theirs.
    capacityPerS: spec.policy === 'fermat-told' ? capacityPerS(spec) : 0,
    policy,
    isPresent: (e) => !absent.includes(e),
    shares: spec.share ? { number: n + 1, nodes: spec.nodes, region: place.region } : null,
  });
}

function viewOf(spec: WorldSpec, n: number, node: Node): PeerView {
  const { edges, endpoints } = spec.geography;
  const edge = edges[n % edges.length]!.location;
  return {
    eligible: node.eligible,
    count: 0,
    inflight: node.inflight,
    nowMs: 0,
    random: node.random,
    distanceKm: Float64Array.from(endpoints, ({ location }) =>
      edge === null || location === null ? 20_000 : distanceKm(edge, location),
    ),
    probeRttMs: new Float64Array(endpoints.length).fill(Number.NaN),
    capacityPerS: capacityPerS(spec),
  };
}

/** A node's part of what an endpoint can serve. Requests/s. */
function capacityPerS({ meanServiceMs, nodes }: WorldSpec): number {
  return ((WORKERS / meanServiceMs) * 1000) / nodes;
}
