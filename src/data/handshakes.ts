// TLS handshakes under way in a worker. One costs a signature and tens of KiB before anybody has said who he is, so not all
// that arrive begin at once: few in a turn of the loop, so that established connections are served in between, and at most
// MAX_IN_FLIGHT together. The rest wait un-started, unread in the kernel, which is cheap. While somebody waits, a client
// that is slow to answer makes room after PATIENCE_MS: else 512 silent ones would lock everybody out for a head time-out.
//
//   accepted ──▶ waiting ──(≤ 16 a turn, ≤ 512 together)──▶ in flight ──secure──▶ onSecure      every way out is counted once
//                   └── time-out, queue full ──▶ closed        └── fails, time-out, makes room ──▶ closed

import type { Socket } from 'node:net';
import { CELL, HANDSHAKE_RESULTS } from '../core/cells.ts';
import { Tap } from './buffers.ts';
import { clientCertOf, dnsNamesOf } from './client-cert.ts';
import type { ClientConnectionHandle, Plane } from './plane.ts';
import type { PeerTls } from './sides.ts';
import { peerTlsOf, ServerTlsSocket, type TlsContexts, takeHandle } from './tls.ts';
import { Timed } from './wheel.ts';

/** About 40 MB, and a second of one core with RSA keys. */
const MAX_IN_FLIGHT = 512;
/** Eight seconds' worth: who is behind these would be timed out before his turn. */
const MAX_WAITING = 4096;
/** Signatures of 1 ms (RSA 2048) keep the loop from other work for no longer than 16 ms. */
const MAX_STARTS_PER_TURN = 16;
/** Three round trips to the far side of the world. */
const PATIENCE_MS = 1000;

type Result = (typeof HANDSHAKE_RESULTS)[number];

/** What a handshake leads to. The socket is the callee's from then on. */
export type OnSecure = (socket: ServerTlsSocket, tap: Tap, tls: PeerTls) => void;

/** All of a worker. */
export class Handshakes extends Timed {
  readonly plane: Plane;
  /** In the order they began. */
  readonly #inFlight = new Set<Handshake>();
  /** In the order they came. */
  readonly #waiting = new Set<Handshake>();
  #startedThisTurn = 0;

  constructor(plane: Plane) {
    super();
    this.plane = plane;
  }

  /**
   * Secures an accepted socket, now or soon; what was read of it too far waits in it. Either `onSecure` is called, or
   * `onClosed` when it came to nothing. `uid`: of the listener.
   */
  begin(accepted: Socket, contexts: TlsContexts, uid: number, onSecure: OnSecure, onClosed: () => void): void {
    const handshake = new Handshake(this, accepted, contexts, uid, onSecure, onClosed);
    if (this.#waiting.size >= MAX_WAITING) return handshake.end('failed');
    this.plane.wheel.stamp();
    this.plane.wheel.armIn(handshake, this.plane.limits.headTimeoutMs);
    this.#waiting.add(handshake);
    this.#pump();
    if (this.#waiting.size > 0) this.#hurry();
  }

  ended(handshake: Handshake): void {
    if (!this.#inFlight.delete(handshake)) this.#waiting.delete(handshake);
    if (this.#waiting.size > 0) this.#pump();
  }

  /** Somebody waits, and the oldest under way has had its time. */
  override onDeadline(nowMs: number): void {
    for (const oldest of this.#inFlight) {
      if (this.#waiting.size === 0 || this.#inFlight.size < MAX_IN_FLIGHT) break;
      if (nowMs - oldest.startedMs < PATIENCE_MS) break;
      oldest.end('timeout');
    }
    if (this.#waiting.size > 0) this.#hurry();
  }

  #pump(): void {
    for (const next of this.#waiting) {
      if (this.#inFlight.size >= MAX_IN_FLIGHT || this.#startedThisTurn >= MAX_STARTS_PER_TURN) return;
      if (this.#startedThisTurn++ === 0) setImmediate(this.#onTurn);
      this.#waiting.delete(next);
      this.#inFlight.add(next);
      next.start(this.plane.wheel.nowMs);
    }
  }

  readonly #onTurn = (): void => {
    this.#startedThisTurn = 0;
    this.#pump();
  };

  #hurry(): void {
    for (const oldest of this.#inFlight) {
      this.plane.wheel.arm(this, oldest.startedMs + PATIENCE_MS);
      return;
    }
  }
}

/** One connection between accept and its first request. */
class Handshake extends Timed implements ClientConnectionHandle {
  startedMs = 0;
  readonly #all: Handshakes;
  readonly #accepted: Socket;
  readonly #contexts: TlsContexts;
  readonly #uid: number;
  readonly #onSecure: OnSecure;
  readonly #onClosed: () => void;
  readonly #tap = new Tap();
  #socket: ServerTlsSocket | null = null;
  #isOver = false;

  constructor(
    all: Handshakes,
    accepted: Socket,
    contexts: TlsContexts,
    uid: number,
    onSecure: OnSecure,
    onClosed: () => void,
  ) {
    super();
    this.#all = all;
    this.#accepted = accepted;
    this.#contexts = contexts;
    this.#uid = uid;
    this.#onSecure = onSecure;
    this.#onClosed = onClosed;
    accepted.on('error', ignore); // of one that is read already: `close` follows
    all.plane.remember(this);
  }

  start(nowMs: number): void {
    this.startedMs = nowMs;
    const accepted = this.#accepted;
    const early = accepted.readableLength > 0 ? (accepted.read() as Buffer) : null;
    const handle = takeHandle(accepted);
    if (handle === null) return this.end('failed');
    const socket = new ServerTlsSocket(this.#contexts, handle, this.#tap);
    this.#socket = socket;
    socket.on('secure', this.#secured);
    socket.on('end', this.#closed); // who half-closes in a handshake cannot end it
    socket.on('close', this.#closed);
    if (early !== null) socket.receive(early);
  }

  readonly #secured = (): void => {
    const socket = this.#socket!;
    if (this.#isOver) return;
    const { wantsClientCert } = this.#contexts;
    if (wantsClientCert && !socket.hasGoodPeerCertificate) return this.end('failed');
    this.#leave(socket.isSessionReused() ? 'resumed' : 'ok');
    socket.off('secure', this.#secured);
    socket.off('end', this.#closed);
    socket.off('close', this.#closed);
    const certificate = wantsClientCert ? socket.getPeerX509Certificate() : undefined;
    const clientCert = certificate === undefined ? '' : clientCertOf(certificate);
    const names = certificate === undefined ? undefined : dnsNamesOf(certificate.subjectAltName);
    const tls = peerTlsOf(this.#contexts.namesShownTo(socket), clientCert, names, socket);
    socket.release();
    this.#onSecure(socket, this.#tap, tls);
  };

  readonly #closed = (): void => this.end('failed');

  override onDeadline(): void {
    this.end('timeout');
  }

  /** It came to nothing. */
  end(result: Result): void {
    if (this.#isOver) return;
    this.#leave(result);
    if (this.#socket === null) this.#accepted.destroy();
    else this.#socket.destroy();
    this.#onClosed();
  }

  beginDrain(): void {}

  closeIdle(): void {
    this.end('failed');
  }

  destroy(): void {
    this.end('failed');
  }

  #leave(result: Result): void {
    this.#isOver = true;
    const { plane } = this.#all;
    plane.wheel.drop(this);
    plane.forget(this);
    plane.lane.count(CELL.HANDSHAKES, this.#uid, HANDSHAKE_RESULTS.indexOf(result), 0);
    this.#all.ended(this);
  }
}

function ignore(): void {}
