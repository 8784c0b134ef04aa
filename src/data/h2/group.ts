// HTTP/2 connections to one endpoint: one, or a few when its limit of concurrent requests is reached. The counterpart of the
// pool of HTTP/1.1 connections in h1/group.ts, and to an exchange the same.

import type { SecureContext } from 'node:tls';
import type { EndpointSpec, PoolSpec } from '../../core/snapshot.ts';
import { Doubt } from '../doubt.ts';
import { Gate, NORMAL_RANK } from '../gate.ts';
import { secureContextOf } from '../h1/dial.ts';
import type { Plane } from '../plane.ts';
import { ACQUIRED, type Acquired, type UpstreamEvents } from '../sides.ts';
import { H2ClientSession } from './client.ts';
import { ClientStream } from './client-stream.ts';

/** Per worker and endpoint; with a hundred requests on each that is more than an HTTP/1.1 pool would open. */
const MAX_SESSIONS = 8;

export class SessionGroup {
  readonly plane: Plane;
  readonly spec: EndpointSpec;
  readonly gate: Gate;
  readonly doubt: Doubt;
  pool: PoolSpec;
  /** Last session ticket, so that the next handshake is short. */
  tlsSession: Buffer | null = null;
  readonly #sessions: H2ClientSession[] = [];
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

  /** As EndpointGroup.acquire. `fresh` needs nothing here: a connection that refused is not used again by itself. */
  acquire(user: UpstreamEvents, _fresh: boolean, rank: number = NORMAL_RANK): Acquired {
    const { gate } = this;
    if (gate.hasRoom(false)) {
      const acquired = this.#lend(user);
      if (acquired !== ACQUIRED.FULL) return acquired;
    }
    if (!gate.hasPlace(rank)) return ACQUIRED.FULL;
    gate.await(user, rank);
    return ACQUIRED.QUEUED;
  }

  #lend(user: UpstreamEvents): Acquired {
    const sessions = this.#sessions;
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[i]!;
      if (!session.hasRoom) continue;
      session.places.lend(new ClientStream(session, user), true);
      return ACQUIRED.READY;
    }
    const awaited = sessions.find((session) => session.isAwaited) ?? this.#open();
    if (awaited === null) return ACQUIRED.FULL;
    const stream = new ClientStream(awaited, user);
    awaited.places.await(stream);
    user.onConnecting(stream);
    return ACQUIRED.CONNECTING;
  }

  cancel(user: UpstreamEvents): void {
    this.gate.cancel(user);
  }

  /** As EndpointGroup's. A stream that was dropped has gone before it was settled. */
  settled(): void {
    this.onRoom();
  }

  /** A request ended, or the endpoint takes more at once. */
  onRoom(): void {
    const { gate } = this;
    while (gate.length > 0 && gate.hasRoom(true)) {
      const session = this.#sessions.find((one) => one.hasRoom);
      if (session === undefined) return;
      session.places.lend(new ClientStream(session, gate.next()!), true);
    }
  }

  /** Of those that wait for a connection that turned out to be too small: to another one. False = there is none. */
  move(stream: ClientStream): boolean {
    const other = this.#sessions.find((one) => one.hasRoom || one.isAwaited) ?? this.#open();
    if (other === null) return false;
    stream.moveTo(other);
    if (other.hasRoom) other.places.lend(stream, true);
    else other.places.await(stream);
    return true;
  }

  forget(session: H2ClientSession): void {
    const at = this.#sessions.indexOf(session);
    if (at >= 0) this.#sessions.splice(at, 1);
    this.onLeaving();
  }

  /** One takes no more: another may be opened in its place, and who waits gets that. */
  onLeaving(): void {
    const { gate } = this;
    if (gate.length === 0 || this.#isRetired || !gate.hasRoom(true)) return;
    const next = this.#open();
    if (next === null) return;
    while (gate.length > 0 && gate.hasRoom(true)) {
      const user = gate.next()!;
      const stream = new ClientStream(next, user);
      next.places.await(stream);
      user.onConnecting(stream);
    }
  }

  /** The addresses of its endpoint have changed. */
  checkAddresses(): void {
    for (const session of [...this.#sessions]) session.checkAddress();
  }

  /** What is idle is one or a few; they stay. */
  closeSome(): void {}

  /** The endpoint is gone from the configuration: what is under way ends, nothing new begins. */
  retire(): void {
    this.#isRetired = true;
    for (const session of [...this.#sessions]) session.retire();
  }

  destroy(): void {
    this.#isRetired = true;
    for (const session of [...this.#sessions]) session.destroy();
  }

  #open(): H2ClientSession | null {
    const limit = Math.max(1, Math.min(MAX_SESSIONS, Math.ceil(this.pool.connectionsPerEndpoint / this.plane.lanes)));
    let count = 0; // those on their way out may be long about it (streams), and must not keep the endpoint from serving
    for (const session of this.#sessions) if (!session.isLeaving) count++;
    if (count >= limit) return null;
    const session = H2ClientSession.open(this);
    this.#sessions.push(session);
    return session;
  }
}
