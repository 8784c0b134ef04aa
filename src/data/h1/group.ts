// Warm connections to endpoints: one group per slot, last in first out, so that the warmest is used again and the others
// age out. Who finds no idle connection opens one; past the limits (of connections, of requests at once: gate.ts) it queues, and
// the next connection that comes free is handed to whose turn it is. Who waits for his own connect takes a free one if that comes
// first. A group outlives a Snapshot as long as its endpoint stays.

import type { SecureContext } from 'node:tls';
import type { EndpointSpec, PoolSpec } from '../../core/snapshot.ts';
import { Doubt } from '../doubt.ts';
import { Gate, NORMAL_RANK } from '../gate.ts';
import type { Plane } from '../plane.ts';
import { ACQUIRED, type Acquired, type UpstreamEvents } from '../sides.ts';
import { NEVER, TICK_MS, Timed } from '../wheel.ts';
import { ClientConnection } from './client.ts';
import { secureContextOf } from './dial.ts';
import type { ConnectionOwner } from './owner.ts';

/**
 * So many connections may be new (nothing has come back over them yet) before who asks for another one waits. That the kernel
 * has established one says little: it waits in the endpoint's backlog until it is accepted, and nginx accepts one a turn of its
 * loop, between all requests of the others. A rush of a thousand clients would fill that backlog; who is let in there last waits
 * for a second, and so does whose SYN finds it full.
 */
const FIRST_NEW = 64;
/** With connections that do answer, as many more may be new; but never more than half of the usual backlog of 511. */
const MOST_NEW = 256;
/**
 * As many are allowed a turn of the wheel, whatever is new, when those that wait would wait for long (streams, tunnels, an endpoint
 * that thinks): twice as many each turn for which that goes on, or the last of a crowd would be told that he has waited too long.
 */
const FEW = 16;
/** Turns of the wheel that are long to wait for a connection that comes free. */
const LONG_TURNS = 8;
/** A connect that takes longer comes before all that wait when a connection comes free, ms: its SYN may be lost. */
const LATE_CONNECT_MS = 2 * TICK_MS;

/** Its time-out is the turn of the wheel at which the queue is looked at, while there is one. */
export class EndpointGroup extends Timed implements ConnectionOwner {
  readonly plane: Plane;
  readonly spec: EndpointSpec;
  readonly gate: Gate;
  readonly doubt: Doubt;
  pool: PoolSpec;
  /** Last session ticket, so that the next handshake is short. */
  tlsSession: Buffer | null = null;
  readonly #idle: ClientConnection[] = [];
  readonly #open = new Set<ClientConnection>();
  /** Those of #open that are not established yet, and whose users may take another one. The oldest comes first. */
  readonly #racing = new Set<ClientConnection>();
  /** How many of #open have not answered anything yet. */
  #new = 0;
  /** Since the last turn of the wheel: who waited and was handed a free connection, and connections that answered first. */
  #served = 0;
  #proven = 0;
  #few = FEW;
  #secure: SecureContext | null = null;
  #isRetired = false;

  constructor(plane: Plane, spec: EndpointSpec, pool: PoolSpec) {
    super();
    this.plane = plane;
    this.spec = spec;
    this.pool = pool;
    this.gate = new Gate(plane, spec, pool);
    this.doubt = new Doubt(plane.wheel);
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
    if (mayGo && this.#hasRoom && (fresh || isFull || (gate.length === 0 && this.#new < FIRST_NEW))) {
      this.#connect(user, !fresh);
      return ACQUIRED.CONNECTING;
    }
    if (isFull) return ACQUIRED.FULL;
    gate.await(user, rank);
    if (this.deadlineMs === NEVER) this.#watchQueue();
    return ACQUIRED.QUEUED;
  }

  /** Takes a waiter out of the queue. */
  cancel(user: UpstreamEvents): void {
    this.gate.cancel(user);
  }

  /** A connection is free again, or is there and its user has another one by now. */
  giveBack(connection: ClientConnection): void {
    const { gate } = this;
    if (this.#racing.size > 0 && connection.hasAnswered && this.#overtake(connection)) return;
    const waiter = gate.length > 0 && gate.hasRoom(true) ? gate.next() : undefined;
    if (waiter !== undefined) {
      if (connection.hasAnswered) this.#served++;
      connection.lend(waiter);
    } else if (this.#isRetired) connection.abort();
    else if (connection.hasAnswered) this.#idle.push(connection);
    else this.#idle.unshift(connection); // it may not have been accepted yet: the last to be taken
  }

  /** Lends it to the one whose connect is under way for longest: before those who wait if that is late, else after them. */
  #overtake(connection: ClientConnection): boolean {
    const { gate, plane } = this;
    const rival = this.#racing.values().next().value!;
    if (gate.length > 0 && plane.wheel.nowMs - rival.connectStartMs < LATE_CONNECT_MS) return false;
    this.#racing.delete(rival);
    const user = rival.yieldUser();
    if (user === null) return false;
    connection.lend(user);
    return true;
  }

  /** A request is over. Its connection tells by itself when it is free; that of a tunnel is not to be. */
  settled(isTunnel: boolean): void {
    if (!isTunnel) return;
    const { gate } = this;
    while (this.#idle.length > 0 && gate.length > 0 && gate.hasRoom(true)) this.#idle.pop()!.lend(gate.next()!);
    while (this.#new < FIRST_NEW && this.#connectWaiter());
  }

  /** It can be lent no more, nor give its user away. */
  unlist(connection: ClientConnection): void {
    this.#racing.delete(connection);
    const at = this.#idle.lastIndexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Its socket is closed: room for a waiter. */
  forget(connection: ClientConnection): void {
    this.#open.delete(connection);
    if (!connection.hasAnswered) this.#new--;
    this.#connectWaiter(); // one for one: an endpoint may close each after its first answer
  }

  /** It is established. */
  connected(connection: ClientConnection): void {
    this.#racing.delete(connection);
  }

  /** Something came over it for the first time. */
  answered(): void {
    this.#new--;
    this.#proven++;
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
    this.plane.wheel.drop(this);
    for (const connection of this.#open) connection.abort();
  }

  #watchQueue(): void {
    this.#served = 0;
    this.#proven = 0;
    this.plane.wheel.armIn(this, TICK_MS);
  }

  /** A turn of the wheel, and there is or was a queue. */
  override onDeadline(): void {
    if (this.gate.length === 0) {
      this.#few = FEW;
      return;
    }
    for (let more = this.#worthwhile(); more > 0 && this.#connectWaiter(); more--);
    this.#watchQueue();
  }

  /** How many more connections who waits is likely to gain by: those that would answer before another one comes free. */
  #worthwhile(): number {
    const turns = this.gate.length / this.#served; // until the last one is served by what is there; Infinity = never
    const soon = Math.max(this.#proven, FEW) * turns;
    const proven = this.#open.size - this.#new;
    const few = turns > LONG_TURNS ? this.#few : 0;
    this.#few = few === 0 ? FEW : Math.min(2 * few, MOST_NEW);
    return Math.max(few, Math.min(soon, FIRST_NEW + proven, MOST_NEW) - this.#new);
  }

  /** False = nobody waits, or there is no room. */
  #connectWaiter(): boolean {
    const { gate } = this;
    if (gate.length === 0 || !this.#hasRoom || !gate.hasRoom(true)) return false;
    this.#connect(gate.next()!, true);
    return true;
  }

  /** Over another edge it is one that says where a request is to go (overlay/relay.ts). */
  protected newConnection(user: UpstreamEvents): ClientConnection {
    return new ClientConnection(this, user);
  }

  #connect(user: UpstreamEvents, mayRace: boolean): void {
    const connection = this.newConnection(user);
    this.#open.add(connection);
    this.#new++;
    if (mayRace) this.#racing.add(connection);
    user.onConnecting(connection);
  }

  /** For one more connection. The limit is stated per node; every worker has its even share. */
  get #hasRoom(): boolean {
    const { plane, pool } = this;
    const open = this.#open.size;
    return open < Math.ceil(pool.connectionsPerEndpoint / plane.lanes) && (open === 0 || !plane.descriptors.isTight);
  }
}
