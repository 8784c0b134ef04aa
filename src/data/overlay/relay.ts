// The way to an endpoint over another edge, as the edge that takes it sees it: connections to that edge, kept warm like those to
// any endpoint, on which every request says in one line where it is to go.

import { HOP_FIELD, hopText } from '../../core/overlay/hop.ts';
import type { OverlaySpec, PoolSpec, ViaSpec } from '../../core/snapshot.ts';
import type { RequestHead } from '../../wire/request.ts';
import { ClientConnection } from '../h1/client.ts';
import { EndpointGroup } from '../h1/group.ts';
import type { Plane } from '../plane.ts';
import type { UpstreamEvents } from '../sides.ts';
import type { RelayGroups } from '../upstreams.ts';
import { hopValue } from './trust.ts';

/** Connections between edges are long and their handshakes slow; the other side holds them for at least a minute. ms */
const IDLE_MS = 30_000;

/** The groups of one Snapshot's ways over peers. */
export function relayGroups(plane: Plane, overlay: OverlaySpec, nodeId: string): RelayGroups {
  return {
    poolOf: (pool, via) => relayPool(pool, via, overlay),
    create: (spec, pool) => new RelayGroup(plane, spec, pool),
    install: (group) => {
      if (group instanceof RelayGroup) group.speakAs(nodeId, overlay.secret);
    },
  };
}

/** What differs between an endpoint's pool and the way over a peer: the TLS of the fleet, whatever the endpoint itself speaks. */
function relayPool(pool: PoolSpec, via: ViaSpec, overlay: OverlaySpec): PoolSpec {
  const none = { ca: null, cert: null, key: null };
  return {
    ...pool,
    tls: { ...(overlay.tls ?? none), serverName: via.peer, verify: true },
    proxyProtocol: 'off',
    timeouts: { ...pool.timeouts, idleMs: IDLE_MS },
  };
}

class RelayGroup extends EndpointGroup {
  #text = '';
  #secret: string | null = null;

  /** What requests say from now on. */
  speakAs(nodeId: string, secret: string | null): void {
    const { key, pool, endpoint } = this.spec.via!;
    this.#text = hopText(nodeId, key, pool, endpoint);
    this.#secret = secret;
  }

  protected override newConnection(user: UpstreamEvents): ClientConnection {
    return new RelayConnection(this, user);
  }

  /** The line that says where a request is to go. */
  hopLine(method: string, path: string, fields: RequestHead, extra: string): string {
    const { peer } = this.spec.via!;
    const value = hopValue(this.#secret, peer, this.#text, method, authorityOf(fields, extra), path, Date.now());
    return `${HOP_FIELD}: ${value}\r\n`;
  }
}

class RelayConnection extends ClientConnection {
  readonly #relay: RelayGroup;

  constructor(group: RelayGroup, user: UpstreamEvents) {
    super(group, user);
    this.#relay = group;
  }

  override head(
    method: string,
    path: string,
    fields: RequestHead,
    extra: string,
    framing: number,
    length: number,
  ): void {
    const hop = this.#relay.hopLine(method, path, fields, extra);
    super.head(method, path, fields, extra + hop, framing, length);
  }
}

/** What the Host line will say: the one of ours stands first in `extra`, where it is not the client's own. */
function authorityOf(fields: RequestHead, extra: string): string {
  return extra.startsWith('Host: ') ? extra.slice(6, extra.indexOf('\r\n')) : fields.authority;
}
