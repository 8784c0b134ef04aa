// Accepting: each worker listens for itself (SO_REUSEPORT, the kernel spreads the connections), so that none has to hand
// sockets to another. Who may connect is decided here, before a byte is read; what it speaks, in entrance.ts.

import type { Socket } from 'node:net';
import { CELL } from '../core/cells.ts';
import { Census } from '../core/census.ts';
import { type ListeningSocket, placeOf } from '../core/handover.ts';
import { canonicalIp } from '../core/ip.ts';
import type { ListenerSpec } from '../core/snapshot.ts';
import type { ProxyEnds } from '../wire/proxy.ts';
import { type Door, enter } from './entrance.ts';
import type { Handshakes } from './handshakes.ts';
import type { Plane } from './plane.ts';
import { readProxyHeader } from './proxy.ts';
import { Sockets } from './sockets.ts';
import { TlsContexts } from './tls.ts';

export class Listener implements Door {
  readonly handshakes: Handshakes;
  /** As the Snapshot of now has it; its place never changes. */
  spec: ListenerSpec;
  tls: TlsContexts | null = null;
  readonly #plane: Plane;
  readonly #census: Census;
  readonly #connectionCap: number;
  readonly #sockets = new Sockets((socket) => this.#accept(socket));
  port: number;

  constructor(
    plane: Plane,
    census: Census,
    handshakes: Handshakes,
    connectionCap: number,
    spec: ListenerSpec,
    port: number,
  ) {
    this.#plane = plane;
    this.handshakes = handshakes;
    this.#census = census;
    this.#connectionCap = connectionCap;
    this.spec = spec;
    this.port = port;
  }

  /** What connections from now on find; those that are there stay as they are. Throws when OpenSSL refuses a certificate. */
  install(spec: ListenerSpec, ticketKey: Uint8Array | undefined): void {
    const isSame = this.tls !== null && JSON.stringify(spec.tls) === JSON.stringify(this.spec.tls);
    if (spec.tls === null) this.tls = null;
    else if (!isSame) this.tls = new TlsContexts(spec.tls, spec.name, ticketKey);
    this.spec = spec;
  }

  /** Opens a socket of its own, or takes over `inherited` ones. Rejects with the system's error (EADDRINUSE, EACCES, …). */
  async listen(canReusePort: boolean, inherited: readonly ListeningSocket[]): Promise<void> {
    const { spec } = this;
    this.port = await (inherited.length > 0
      ? this.#sockets.adopt(inherited, spec)
      : this.#sockets.open(spec, this.port, canReusePort));
  }

  /** What a successor would take over. */
  get sockets(): ListeningSocket[] {
    const { spec, port } = this;
    return this.#sockets.fds.map((fd) => ({ name: spec.name, place: placeOf(spec), port, fd }));
  }

  /** Nothing is accepted any more. `isHandedOver`: another process accepts, from the same sockets. */
  close(isHandedOver = false): void {
    this.#sockets.close(isHandedOver);
  }

  /** Whoever is one too many costs no more than a look at two numbers: a flood shall not slow down who is here already. */
  #accept(socket: Socket): void {
    if (this.#isFull || !this.#plane.descriptors.takes(socket)) {
      socket.destroy();
      return;
    }
    const { generation, lane, limits } = this.#plane;
    const { spec } = this;
    const isTcp = spec.path === null;
    const ends: ProxyEnds = {
      source: isTcp ? (canonicalIp(socket.remoteAddress ?? '') ?? '') : '',
      sourcePort: isTcp ? (socket.remotePort ?? 0) : 0,
      destination: isTcp ? (canonicalIp(socket.localAddress ?? '') ?? '') : '',
      destinationPort: this.port,
    };
    // Who is trusted to name its clients is none itself, and who has no address is nobody's neighbour.
    const isBalancer = spec.isForPeers === true || generation.trusted.has(ends.source);
    const key = Census.keyOf(ends.source);
    if (!this.#census.enter(key, 0, isBalancer || ends.source === '' ? 0 : limits.connectionsPerClient)) {
      socket.destroy();
      return;
    }
    lane.count(CELL.CONNECTIONS, spec.uid, 0, 0);
    if (spec.proxyProtocol === 'off') this.#enter(socket, ends, this.#leaverOf(key, spec.uid));
    else this.#greet(socket, spec.proxyProtocol, ends, key, isBalancer);
  }

  /** What the descriptors allow is not passed whatever the configuration says. */
  get #isFull(): boolean {
    const { limits, overload } = this.#plane;
    const cap = this.#connectionCap || Number.POSITIVE_INFINITY;
    return this.#census.connections >= Math.min(limits.connections || cap, cap) || overload.isFull;
  }

  /** Reads the PROXY header; the connection is whose it says from then on. */
  #greet(socket: Socket, mode: 'required' | 'optional', ends: ProxyEnds, key: number, isBalancer: boolean): void {
    const plane = this.#plane;
    const { uid } = this.spec;
    readProxyHeader(plane, socket, mode, isBalancer, (greeting) => {
      if (greeting.kind === 'closed') {
        if (greeting.why !== null) plane.sayUnproxied(this.spec.name, ends.source, greeting.why);
        return this.#leave(key, uid);
      }
      if (greeting.kind === 'unnamed') return this.#enter(socket, ends, this.#leaverOf(key, uid));
      const clientKey = Census.keyOf(greeting.ends.source);
      if (!this.#census.enter(clientKey, 0, plane.limits.connectionsPerClient)) {
        socket.destroy();
        return this.#leave(key, uid);
      }
      this.#census.leave(key);
      this.#enter(socket, greeting.ends, this.#leaverOf(clientKey, uid));
    });
  }

  /** At once, or later when its client has flooded us before. */
  #enter(socket: Socket, ends: ProxyEnds, onClosed: () => void): void {
    const plane = this.#plane;
    const waitMs = plane.porch.waitMs(plane, ends.source);
    if (waitMs === 0) return enter(plane, socket, this, ends, onClosed);
    const onTurn = (): void => enter(plane, socket, this, ends, onClosed);
    plane.porch.keep(plane, socket, ends.source, waitMs, onTurn, onClosed);
  }

  /** Made here, since it lives as long as the connection and must hold nothing else of its beginnings. */
  #leaverOf(key: number, uid: number): () => void {
    return () => this.#leave(key, uid);
  }

  #leave(key: number, uid: number): void {
    this.#census.leave(key);
    this.#plane.lane.count(CELL.CONNECTIONS, uid, 0, 0, -1);
  }
}
