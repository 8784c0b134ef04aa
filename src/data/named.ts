// Connections to an endpoint that is told, by a PROXY header at the beginning of each, who the client is. Such a connection
// speaks for that client alone, so it is lent again to nobody else ("MUST NOT implement this protocol on multiplexed connections",
// the specification says), and what it began with is the key it is kept under. The counterpart of EndpointGroup in
// h1/group.ts, apart from it because there every request would have to ask which of the two it is.

import type { SecureContext } from 'node:tls';
import type { EndpointSpec, PoolSpec } from '../core/snapshot.ts';
import { proxyHeader } from '../wire/proxy.ts';
import { Doubt } from './doubt.ts';
import { Gate, NORMAL_RANK } from './gate.ts';
import { ClientConnection } from './h1/client.ts';
import { secureContextOf } from './h1/dial.ts';
import type { ConnectionOwner } from './h1/owner.ts';
import type { Plane } from './plane.ts';
import { ACQUIRED, type Acquired, type UpstreamEvents } from './sides.ts';

export class NamedGroup implements ConnectionOwner {
  readonly plane: Plane;
  readonly spec: EndpointSpec;
  readonly gate: Gate;
  readonly doubt: Doubt;
  pool: PoolSpec;
  tlsSession: Buffer | null = null;
  /** Idle ones by their header, in the order in which their clients' first became idle. Never an empty list. */
  readonly #idle = new Map<string, ClientConnection[]>();
  /** Every one that counts against the limit, and the header it began with. */
  readonly #open = new Map<ClientConnection, string>();
  #secure: SecureContext | null = null;
  #isRetired = false;

  constructor(plane: Plane, spec: EndpointSpec, pool: PoolSpec) {
    this.plane = plane;
    this.spec = spec;
    this.pool = pool;
    this.gate = new Gate(plane, spec, pool);
    this.doubt = new Doubt(plane.wheel);
  }

  secureContext(): SecureContext {
    this.#secure ??= secureContextOf(this.pool.tls);
    return this.#secure;
  }

  /** As EndpointGroup.acquire; at the limit, the client idle for longest loses a connection to who needs one now. */
  acquire(user: UpstreamEvents, fresh: boolean, rank: number = NORMAL_RANK): Acquired {
    const { gate } = this;
    const header = this.#headerOf(user);
    if (gate.hasRoom(false)) {
      const acquired = this.#lend(user, header, fresh);
      if (acquired !== ACQUIRED.FULL) return acquired;
    }
    if (!gate.hasPlace(rank)) return ACQUIRED.FULL;
    gate.await(user, rank);
    return ACQUIRED.QUEUED;
  }

  #lend(user: UpstreamEvents, header: string, fresh: boolean): Acquired {
    const idle = fresh ? undefined : this.#idle.get(header)?.at(-1);
    if (idle !== undefined) {
      this.unlist(idle);
      idle.lend(user);
      return ACQUIRED.READY;
    }
    if (!this.#hasRoom) this.#evict();
    if (!this.#hasRoom) return ACQUIRED.FULL;
    this.#connect(user, header);
    return ACQUIRED.CONNECTING;
  }

  cancel(user: UpstreamEvents): void {
    this.gate.cancel(user);
  }

  giveBack(connection: ClientConnection): void {
    const header = this.#open.get(connection);
    const waiter = this.gate.hasRoom(true) ? this.gate.next() : undefined;
    if (waiter !== undefined && this.#headerOf(waiter) === header) return connection.lend(waiter);
    if (waiter !== undefined || this.#isRetired || header === undefined) {
      this.#close(connection);
      if (waiter !== undefined) this.#connect(waiter, this.#headerOf(waiter));
      return;
    }
    const list = this.#idle.get(header);
    if (list === undefined) this.#idle.set(header, [connection]);
    else list.push(connection);
  }

  unlist(connection: ClientConnection): void {
    const header = this.#open.get(connection);
    const list = header === undefined ? undefined : this.#idle.get(header);
    const at = list?.lastIndexOf(connection) ?? -1;
    if (at < 0) return;
    list!.splice(at, 1);
    if (list!.length === 0) this.#idle.delete(header!);
  }

  forget(connection: ClientConnection): void {
    this.#open.delete(connection);
    this.#connectWaiter();
  }

  /** As EndpointGroup's. */
  settled(isTunnel: boolean): void {
    if (isTunnel) this.#connectWaiter();
  }

  #connectWaiter(): void {
    const waiter = this.#hasRoom && this.gate.hasRoom(true) ? this.gate.next() : undefined;
    if (waiter !== undefined) this.#connect(waiter, this.#headerOf(waiter));
  }

  connected(): void {}

  answered(): void {}

  /** The addresses of its endpoint have changed. */
  checkAddresses(): void {
    for (const connection of [...this.#open.keys()]) connection.checkAddress();
  }

  retire(): void {
    this.#isRetired = true;
    while (this.#idle.size > 0) this.#evict();
  }

  /** As EndpointGroup's. */
  closeSome(): void {
    for (let n = this.#idle.size >> 1; n > 0; n--) this.#evict();
  }

  destroy(): void {
    this.#isRetired = true;
    for (const connection of this.#open.keys()) connection.abort();
  }

  /** Ends the oldest idle connection, if there is one. */
  #evict(): void {
    const oldest = this.#idle.values().next().value?.[0];
    if (oldest !== undefined) this.#close(oldest);
  }

  /** It counts no more from now on: its socket is closed before the next one's connect is under way. */
  #close(connection: ClientConnection): void {
    connection.abort(); // takes it off the idle ones
    this.#open.delete(connection);
  }

  #connect(user: UpstreamEvents, header: string): void {
    const connection = new ClientConnection(this, user, header);
    this.#open.set(connection, header);
    user.onConnecting(connection);
  }

  #headerOf(user: UpstreamEvents): string {
    return proxyHeader(this.pool.proxyProtocol === 'v1' ? 1 : 2, user.clientEnds());
  }

  /** As EndpointGroup's: every worker has its even share. */
  get #hasRoom(): boolean {
    const { plane, pool } = this;
    const open = this.#open.size;
    return open < Math.ceil(pool.connectionsPerEndpoint / plane.lanes) && (open === 0 || !plane.descriptors.isTight);
  }
}
