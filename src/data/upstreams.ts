// Warm connections to endpoints: one group per slot, last in first out, so that the warmest is used again and the others
// age out. Who finds no idle connection opens one; past the limits (of connections, of requests at once: gate.ts) it queues, and
// the next connection that comes free is handed to whose turn it is. A group outlives a Snapshot as long as its endpoint stays.

import type { SecureContext } from 'node:tls';
import type { Addresses } from '../core/messages.ts';
import type { EndpointSpec, PoolSpec } from '../core/snapshot.ts';
import { Gate, NORMAL_RANK } from './gate.ts';
import { ClientConnection } from './h1/client.ts';
import { secureContextOf } from './h1/dial.ts';
import { SessionGroup } from './h2/group.ts';
import { NamedGroup } from './named.ts';
import type { Plane } from './plane.ts';
import type { UpstreamEvents } from './sides.ts';

/**
 * So many connects may be under way while no connection is established; each that is allows one more, as in TCP's slow start.
 * A rush of a thousand clients would otherwise overflow the endpoint's backlog, and whose SYN is dropped waits for a second.
 */
const FIRST_CONNECTS = 64;

/** What `acquire` did. READY has already called onUpstreamReady. */
export const ACQUIRED = { READY: 0, CONNECTING: 1, QUEUED: 2, FULL: 3 } as const;
export type Acquired = (typeof ACQUIRED)[keyof typeof ACQUIRED];

export class EndpointGroup {
  readonly plane: Plane;
  readonly spec: EndpointSpec;
  readonly gate: Gate;
  pool: PoolSpec;
  /** Last session ticket, so that the next handshake is short. */
  tlsSession: Buffer | null = null;
  readonly #idle: ClientConnection[] = [];
  readonly #open = new Set<ClientConnection>();
  /** Those of #open that are not established yet. */
  readonly #connecting = new Set<ClientConnection>();
  #secure: SecureContext | null = null;
  #isRetired = false;

  constructor(plane: Plane, spec: EndpointSpec, pool: PoolSpec) {
    this.plane = plane;
    this.spec = spec;
    this.pool = pool;
    this.gate = new Gate(plane, spec, pool);
  }

  /** Built once per group: reading a CA bundle for every handshake costs milliseconds. */
  secureContext(): SecureContext {
    this.#secure ??= secureContextOf(this.pool.tls);
    return this.#secure;
  }

  /**
   * Lends a connection to `user`, now or later. `fresh` = not one from the pool (the last one was stale).
   * The answer CONNECTING also gives the connection through `connecting`, so that the user can abort it. `rank`: of its route.
   */
  acquire(user: UpstreamEvents, fresh: boolean, rank: number = NORMAL_RANK): Acquired {
    const { gate } = this;
    const mayGo = gate.hasRoom(false);
    if (!fresh && mayGo) {
      const idle = this.#idle.pop();
      if (idle !== undefined) {
        idle.lend(user);
        return ACQUIRED.READY;
      }
    }
    const isFull = !gate.hasPlace(rank);
    // A queue that may not be longer, or must not be at all, is no place to wait for others' connects; and who met a stale
    // connection must not be given another.
    if (mayGo && this.#hasRoom && (fresh || isFull || this.#mayConnect())) {
      this.#connect(user);
      return ACQUIRED.CONNECTING;
    }
    if (isFull) return ACQUIRED.FULL;
    gate.await(user, rank);
    return ACQUIRED.QUEUED;
  }

  /** Takes a waiter out of the queue. */
  cancel(user: UpstreamEvents): void {
    this.gate.cancel(user);
  }

  /** A connection is free again. */
  giveBack(connection: ClientConnection): void {
    const { gate } = this;
    const waiter = gate.length > 0 && gate.hasRoom(true) ? gate.next() : undefined;
    if (waiter !== undefined) connection.lend(waiter);
    else if (this.#isRetired) connection.abort();
    else this.#idle.push(connection);
  }

  /** A request is over. Its connection tells by itself when it is free; that of a tunnel is not to be. */
  settled(isTunnel: boolean): void {
    if (!isTunnel) return;
    const { gate } = this;
    while (this.#idle.length > 0 && gate.length > 0 && gate.hasRoom(true)) this.#idle.pop()!.lend(gate.next()!);
    this.#connectWaiters();
  }

  /** It can be lent no more. */
  unlist(connection: ClientConnection): void {
    const at = this.#idle.lastIndexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Its socket is closed: room for a waiter. */
  forget(connection: ClientConnection): void {
    this.#open.delete(connection);
    this.#connecting.delete(connection);
    this.#connectWaiters();
  }

  /** It is established. */
  connected(connection: ClientConnection): void {
    this.#connecting.delete(connection);
    this.#connectWaiters();
  }

  /** The addresses of its endpoint have changed. */
  checkAddresses(): void {
    for (const connection of [...this.#open]) connection.checkAddress();
  }

  /** The endpoint is gone from the configuration: idle connections close now, busy ones when they are done. */
  retire(): void {
    this.#isRetired = true;
    while (this.#idle.length > 0) this.#idle.pop()?.abort();
  }

  /** Descriptors are short: the half of the idle ones that was used longest ago is closed, but never the last. */
  closeSome(): void {
    for (let n = this.#idle.length >> 1; n > 0; n--) this.#idle[0]!.abort(); // takes it off the list
  }

  destroy(): void {
    this.#isRetired = true;
    for (const connection of this.#open) connection.abort();
  }

  #mayConnect(): boolean {
    return this.#connecting.size < FIRST_CONNECTS + this.#open.size - this.#connecting.size;
  }

  #connectWaiters(): void {
    const { gate } = this;
    while (gate.length > 0 && gate.hasRoom(true) && this.#hasRoom && this.#mayConnect()) this.#connect(gate.next()!);
  }

  #connect(user: UpstreamEvents): void {
    const connection = new ClientConnection(this, user);
    this.#open.add(connection);
    this.#connecting.add(connection);
    user.onConnecting(connection);
  }

  /** For one more connection. The limit is stated per node; every worker has its even share. */
  get #hasRoom(): boolean {
    const { plane, pool } = this;
    const open = this.#open.size;
    return open < Math.ceil(pool.connectionsPerEndpoint / plane.lanes) && (open === 0 || !plane.descriptors.isTight);
  }
}

/** Connections of each kind: which one it is, the endpoint's scheme says, and whether it is to be told who the client is. */
export type Group = EndpointGroup | SessionGroup | NamedGroup;

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

  /** Keeps the groups of endpoints that stay, retires the others. Gives those of now, by slot. */
  install(endpoints: readonly EndpointSpec[], pools: readonly PoolSpec[]): readonly (Group | undefined)[] {
    const kept = new Set<Group>();
    for (const pool of pools) {
      for (const index of pool.endpoints) {
        const spec = endpoints[index]!;
        const old = this.#bySlot[spec.slot];
        // A changed CA or client certificate must not live on in an old group's context.
        const stays =
          old?.spec.generation === spec.generation &&
          old.pool.proxyProtocol === pool.proxyProtocol &&
          JSON.stringify(old.pool.tls) === JSON.stringify(pool.tls);
        const group = stays && old !== undefined ? old : newGroup(this.#plane, spec, pool);
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
