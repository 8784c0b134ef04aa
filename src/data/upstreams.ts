// All pools of connections to endpoints, one group per slot. A group outlives a Snapshot as long as its endpoint stays. How the
// groups lend is their own: h1/group.ts, h2/group.ts, named.ts, and overlay/relay.ts for ways over other edges.

import type { Addresses } from '../core/messages.ts';
import type { EndpointSpec, PoolSpec, ViaSpec } from '../core/snapshot.ts';
import { EndpointGroup } from './h1/group.ts';
import { SessionGroup } from './h2/group.ts';
import { NamedGroup } from './named.ts';
import type { Plane } from './plane.ts';

/** Connections of each kind: which one it is, the endpoint's scheme says, and whether it is to be told who the client is. */
export type Group = EndpointGroup | SessionGroup | NamedGroup;

/** Of one Snapshot: the groups of ways over other edges. */
export interface RelayGroups {
  /** The pool as it is on such a way. */
  poolOf(pool: PoolSpec, via: ViaSpec): PoolSpec;
  create(spec: EndpointSpec, pool: PoolSpec): Group;
  /** Of this Snapshot from now on. */
  install(group: Group): void;
}

function newGroup(plane: Plane, spec: EndpointSpec, pool: PoolSpec): Group {
  const isH2 = spec.scheme === 'h2' || spec.scheme === 'h2c';
  if (pool.proxyProtocol !== 'off') return new NamedGroup(plane, spec, pool);
  return isH2 ? new SessionGroup(plane, spec, pool) : new EndpointGroup(plane, spec, pool);
}

/** All groups of a worker, by slot. */
export class Upstreams {
  readonly #plane: Plane;
  readonly #bySlot: (Group | undefined)[] = [];

  constructor(plane: Plane) {
    this.#plane = plane;
  }

  /** Keeps the groups of endpoints that stay, retires the others. Gives those of now, by slot. `relays`: where there are any. */
  install(
    endpoints: readonly EndpointSpec[],
    pools: readonly PoolSpec[],
    relays: RelayGroups | null = null,
  ): readonly (Group | undefined)[] {
    const kept = new Set<Group>();
    for (const whole of pools) {
      for (const index of whole.endpoints) {
        const spec = endpoints[index]!;
        const { via } = spec;
        const pool = via === undefined ? whole : relays!.poolOf(whole, via);
        const old = this.#bySlot[spec.slot];
        // A changed CA or client certificate must not live on in an old group's context.
        const stays =
          old?.spec.generation === spec.generation &&
          old.pool.proxyProtocol === pool.proxyProtocol &&
          JSON.stringify(old.pool.tls) === JSON.stringify(pool.tls);
        const create = (): Group =>
          via === undefined ? newGroup(this.#plane, spec, pool) : relays!.create(spec, pool);
        const group = stays && old !== undefined ? old : create();
        if (via !== undefined) relays!.install(group);
        group.pool = pool;
        group.gate.install(pool);
        if (old !== undefined && old !== group) old.retire();
        this.#bySlot[spec.slot] = group;
        kept.add(group);
      }
    }
    for (let slot = 0; slot < this.#bySlot.length; slot++) {
      const group = this.#bySlot[slot];
      if (group === undefined || kept.has(group)) continue;
      group.retire();
      this.#bySlot[slot] = undefined;
    }
    return [...this.#bySlot];
  }

  /** Connections to where these names do not lead any more end, idle ones at once. */
  checkAddresses(news: Addresses): void {
    for (const group of this.#bySlot) if (group !== undefined && group.spec.host in news) group.checkAddresses();
  }

  /** Descriptors are short. */
  closeSome(): void {
    for (const group of this.#bySlot) group?.closeSome();
  }

  destroy(): void {
    for (const group of this.#bySlot) group?.destroy();
  }
}
