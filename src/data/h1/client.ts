// The endpoint's side over HTTP/1.1: one object per upstream connection. It is lent to one exchange at a time (#user),
// frames the request, reads the response strictly, and goes back to its group when both are whole.
//
//   CONNECTING ──▶ IDLE ⇄ HEAD ──▶ BODY ──▶ DONE ──release──▶ IDLE       anything unexpected ──▶ DEAD
//                            └ 101 ▶ TUNNEL

import type { Socket } from 'node:net';
import { BODY, BodyReader, FRAMING } from '../../wire/body.ts';
import type { Fields } from '../../wire/fields.ts';
import type { RequestHead } from '../../wire/request.ts';
import type { ResponseReader } from '../../wire/response.ts';
import { ReadBuffer } from '../buffers.ts';
import type { Upstream, UpstreamEvents } from '../sides.ts';
import { Timed } from '../wheel.ts';
import { Dial } from './dial.ts';
import { headText } from './head-text.ts';
import type { ConnectionOwner } from './owner.ts';
import { isProven, proofWanted } from './proof.ts';
import { MessageWriter } from './writer.ts';

const PHASE = { CONNECTING: 0, IDLE: 1, HEAD: 2, BODY: 3, DONE: 4, TUNNEL: 5, DEAD: 6 } as const;
type Phase = (typeof PHASE)[keyof typeof PHASE];

export class ClientConnection extends Timed implements Upstream {
  readonly #group: ConnectionOwner;
  readonly #dial: Dial;
  readonly #socket: Socket;
  readonly #buffer = new ReadBuffer();
  readonly #reader: ResponseReader;
  readonly #body = new BodyReader();
  #phase: Phase = PHASE.CONNECTING;
  #user: UpstreamEvents | null;
  /** What the last read brought has left for the kernel. */
  #isSpent = true;
  #uses = 0;
  readonly #writer: MessageWriter;
  #methodId = 0;
  /** The Sec-WebSocket-Accept to be seen, where the client itself will not look (HTTP/2 knows none); '' = it will. */
  #proof = '';
  /** The request has been sent whole; without that the connection cannot serve another. */
  #requestSent = false;
  #mayPersist = true;
  #endpointIdleMs: number;
  readonly connectStartMs: number;
  /** Something has come over it, a handshake or a first byte: the endpoint has accepted it, not only its kernel. */
  hasAnswered = false;
  /** How long the connect took, until a sample has reported it; then -1. */
  connectMs = -1;

  /** `preamble`: what is said first, before TLS; latin1. */
  constructor(group: ConnectionOwner, user: UpstreamEvents, preamble = '') {
    super();
    this.#group = group;
    this.#user = user;
    this.#reader = group.plane.responseReaders.take(this, null);
    this.#endpointIdleMs = group.pool.timeouts.idleMs;
    this.connectStartMs = group.plane.clock();
    const dialling = {
      onConnect: () => this.#onConnect(),
      take: (chunk: Buffer) => this.#onData(chunk),
      next: () => this.#nextBuffer(),
    };
    this.#dial = new Dial(group, dialling, preamble);
    this.#socket = this.#dial.socket;
    const socket = this.#socket;
    socket.on('end', () => this.#onFin());
    this.#writer = new MessageWriter(socket, () => this.#user?.onUpstreamDrain());
    socket.on('close', () => this.#onClose());
    group.plane.wheel.arm(this, this.connectStartMs + group.pool.timeouts.connectMs);
  }

  get isReused(): boolean {
    return this.#uses > 1;
  }

  #onConnect(): void {
    if (this.#phase !== PHASE.CONNECTING) return;
    this.connectMs = this.#group.plane.wheel.stamp() - this.connectStartMs;
    this.#phase = PHASE.IDLE;
    if (this.#group.spec.scheme === 'https') this.#noteAnswer();
    this.#group.connected(this);
    const user = this.#user;
    this.#user = null;
    if (user !== null) return this.lend(user);
    this.#group.plane.wheel.armIn(this, this.#endpointIdleMs);
    this.#group.giveBack(this);
    if (this.#user === null) this.#uses++; // it lies idle: that it is closed as it is taken will be a coincidence
  }

  #noteAnswer(): void {
    this.hasAnswered = true;
    this.#group.answered();
  }

  /** Whose connect it is waits no more, for another connection came free. Null = nobody has waited. */
  yieldUser(): UpstreamEvents | null {
    const user = this.#user;
    this.#user = null;
    return user;
  }

  /** Hands an idle connection to an exchange. */
  lend(user: UpstreamEvents): void {
    this.#user = user;
    this.#phase = PHASE.HEAD;
    this.#uses++;
    this.#requestSent = false;
    this.#mayPersist = true;
    this.#group.plane.wheel.disarm(this);
    user.onUpstreamReady(this);
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #onData(chunk: Buffer): void {
    const user = this.#user;
    // Bytes that nobody asked for are never taken for an answer (RFC 9112, 6.3): the connection is not to be trusted.
    if (user === null) return this.#destroy();
    if (!this.hasAnswered) this.#noteAnswer();
    this.#group.plane.wheel.stamp();
    let at = 0;
    while (at < chunk.length && this.#user === user) {
      switch (this.#phase) {
        case PHASE.HEAD:
          at = this.#readHead(chunk, at, user);
          break;
        case PHASE.BODY:
          at = this.#readBody(chunk, at, user);
          break;
        case PHASE.TUNNEL:
          user.onResponseChunk(chunk, at, chunk.length);
          at = chunk.length;
          break;
        default:
          return;
      }
      if (at < 0) break;
    }
    user.flush();
    this.#isSpent = user.isDownstreamFlushed; // of the exchange that these bytes went to, whoever has the connection now
  }

  /** In the midst of a body that did not come whole with its head, this connection reads into memory of its own. */
  #nextBuffer(): Buffer {
    return this.#buffer.next(this.#phase === PHASE.BODY && !this.#socket.isPaused(), this.#isSpent);
  }

  #readHead(chunk: Buffer, at: number, user: UpstreamEvents): number {
    const reader = this.#reader;
    const next = reader.feed(chunk, at);
    if (next < 0) {
      if (reader.fault !== 0) this.#lose(true);
      return -1;
    }
    const { head } = reader;
    if (head.status < 200) {
      if (head.status === 101 && this.#proof !== '' && !isProven(head, this.#proof)) {
        this.#lose(true);
        return -1;
      }
      user.onResponseHead(head); // a 101 that was asked for turns this into a tunnel
      if (this.#phase === PHASE.HEAD) {
        reader.reset();
        reader.expect(this.#methodId);
      }
      return next;
    }
    this.#mayPersist = head.keepAlive;
    if (head.keepAliveTimeoutMs >= 0) this.#noteIdleHint(head.keepAliveTimeoutMs);
    this.#body.begin(head.framing, head.length);
    this.#phase = PHASE.BODY;
    user.onResponseHead(head);
    if (this.#user === user && this.#phase === PHASE.BODY && this.#body.isDone) this.#finish(null, next < chunk.length);
    return next;
  }

  #readBody(chunk: Buffer, at: number, user: UpstreamEvents): number {
    const body = this.#body;
    const code = body.read(chunk, at);
    if (code === BODY.DATA) {
      user.onResponseChunk(chunk, body.from, body.to);
      // Whatever of this chunk is left when the last byte of a counted body is in does not belong to us.
      if (this.#user === user && this.#phase === PHASE.BODY && body.isDone) this.#finish(null, body.at < chunk.length);
      return body.at;
    }
    if (code === BODY.END) this.#finish(body.trailers.count > 0 ? body.trailers : null, body.at < chunk.length);
    else if (code === BODY.BAD) this.#lose(true);
    return -1;
  }

  #finish(trailers: Fields | null, hasExtraBytes: boolean): void {
    this.#phase = PHASE.DONE;
    if (hasExtraBytes || !this.#requestSent) this.#mayPersist = false;
    this.#user?.onResponseEnd(trailers);
  }

  /** The endpoint's own idle time-out, less a second for the way: a request must not meet its close. */
  #noteIdleHint(timeoutMs: number): void {
    this.#endpointIdleMs = Math.min(this.#group.pool.timeouts.idleMs, Math.max(timeoutMs - 1000, timeoutMs / 2));
  }

  // ── the other end goes, or is silent ─────────────────────────────────────────────────────────────────────────────

  #onFin(): void {
    if (this.#phase === PHASE.BODY && this.#body.finish()) {
      this.#mayPersist = false;
      const user = this.#user;
      this.#finish(null, false);
      user?.flush();
      return;
    }
    this.#lose(false);
  }

  #onClose(): void {
    if (this.#phase !== PHASE.DEAD) this.#lose(false);
    this.#group.forget(this);
  }

  /** Ends the connection, and tells its user that what it waits for will not come. */
  #lose(brokeHttp: boolean, isLate = false): void {
    const user = this.#user;
    const failure = this.#phase === PHASE.CONNECTING ? this.#dial.failure(isLate) : null;
    this.#destroy();
    if (user === null) return;
    if (failure !== null) user.onConnectFailed(failure);
    else user.onUpstreamLost(brokeHttp);
  }

  #destroy(): void {
    if (this.#phase === PHASE.DEAD) return;
    this.#phase = PHASE.DEAD;
    this.#user = null;
    this.#writer.drop();
    this.#group.plane.wheel.drop(this);
    this.#group.unlist(this);
    this.#socket.destroy();
    this.#group.plane.responseReaders.give(this, this.#reader);
  }

  override onDeadline(): void {
    const user = this.#user;
    if (this.#phase === PHASE.CONNECTING) this.#lose(false, true);
    else if (user !== null) user.onUpstreamTimeout();
    else this.#destroy();
  }

  // ── Upstream ─────────────────────────────────────────────────────────────────────────────────────────────────────

  head(method: string, path: string, fields: RequestHead, extra: string, framing: number, length: number): void {
    this.#methodId = fields.methodId;
    this.#proof = fields.isExtendedConnect ? proofWanted(fields) : '';
    this.#reader.reset();
    this.#reader.expect(fields.methodId);
    this.#writer.isChunked = framing === FRAMING.CHUNKED;
    this.#writer.text(headText(method, path, fields, extra, framing, length));
  }

  chunk(chunk: Buffer, from: number, to: number): boolean {
    return this.#writer.chunk(chunk, from, to);
  }

  end(trailers: Fields | null): void {
    this.#requestSent = true;
    this.#writer.end(trailers);
    this.#writer.flush();
    if (this.#phase === PHASE.TUNNEL) this.#socket.end();
  }

  flush(): void {
    this.#writer.flush();
  }

  abort(): void {
    this.#user = null;
    this.#destroy();
  }

  get isFlushed(): boolean {
    return this.#writer.hasLetGo;
  }

  release(): void {
    this.#user = null;
    const leftMs = this.#dial.retireAtMs - this.#group.plane.wheel.nowMs;
    if (!this.#mayPersist || this.#phase !== PHASE.DONE || leftMs <= 0) return this.#destroy();
    this.#phase = PHASE.IDLE;
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#group.plane.wheel.armIn(this, Math.min(this.#endpointIdleMs, leftMs));
    this.#group.giveBack(this);
  }

  /** The addresses of its endpoint have changed: where its own is not among them, it ends, after its exchange if it has one. */
  checkAddress(): void {
    this.#dial.checkAddress();
    if (this.#dial.retireAtMs === 0 && this.#phase === PHASE.IDLE) this.#destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  expectWithin(ms: number): void {
    if (ms > 0) this.#group.plane.wheel.armIn(this, ms);
    else this.#group.plane.wheel.disarm(this);
  }

  tunnel(): void {
    this.#phase = PHASE.TUNNEL;
  }
}
