// The client's side over HTTP/1.1: one object per client connection, reading requests one after another and framing the
// answers. It knows bytes and time-outs; what a request means and where it goes is the exchange's business. The state and the
// two interfaces are here; requests coming in are intake.ts, endings and time-outs ending.ts, both functions over this.
//
//   HEAD ──head──▶ BODY ──last byte──▶ ANSWERING ──answer whole──▶ HEAD   (keep-alive; pipelined bytes wait in `holding`)
//                                          │ 101 ▶ TUNNEL          └────▶ CLOSING: half-close, drain ≤ 2 s, destroy

import type { Socket } from 'node:net';
import { BodyReader } from '../../wire/body.ts';
import type { Fields } from '../../wire/fields.ts';
import type { RequestReader } from '../../wire/request.ts';
import type { ResponseHead } from '../../wire/response.ts';
import { kept, ReadBuffer, type Reading, type Tap } from '../buffers.ts';
import { Exchange } from '../exchange.ts';
import { DrainPace, Pace } from '../pace.ts';
import type { Plane } from '../plane.ts';
import type { Readers } from '../readers.ts';
import type { Downstream, Peer } from '../sides.ts';
import { Timed } from '../wheel.ts';
import { AnswerWriter } from './answer.ts';
import { breakOff, close, cut, finish, onDeadline, onFin, outlivesAnswer, takeUp } from './ending.ts';
import { HELD, Holding } from './holding.ts';
import { awaitRequest, readBody, readFirst, readHead } from './intake.ts';
import type { Preface } from './preface.ts';
import { Presence } from './presence.ts';

export const PHASE = { HEAD: 0, BODY: 1, ANSWERING: 2, TUNNEL: 3, CLOSING: 4, DEAD: 5 } as const;
export type Phase = (typeof PHASE)[keyof typeof PHASE];

export class ServerConnection extends Timed implements Downstream, Reading {
  readonly peer: Peer;
  readonly plane: Plane;
  readonly socket: Socket;
  readonly exchange: Exchange;
  readonly body = new BodyReader();
  readonly answer: AnswerWriter;
  readonly holding: Holding;
  readonly presence = new Presence();
  /** Of the request's body, and of the client's taking of the answer. */
  readonly bodyPace = new Pace();
  readonly drainPace: DrainPace;
  phase: Phase = PHASE.HEAD;
  /** Until the first bytes tell which protocol it speaks. */
  onPreface: Preface | null;
  /** Lent from the first byte of a head to the end of its answer; null between requests. */
  reader: RequestReader | null = null;
  headStarted = false;
  /** The time for which the connection may be idle runs: it counts from the last request, not from the last byte. */
  isAwaiting = true;
  /** `process` is at work: what is left of its chunk is looked at when everybody has returned. */
  isLooping = false;
  /** The client has said its last byte. */
  hasFin = false;
  requestReadMs = 0;
  /** Body bytes read after the answer was already whole; -1 = the answer is not. */
  leftover = -1;
  readonly #onClosed: () => void;
  #isHandedOver = false;
  readonly #buffer = new ReadBuffer();
  /** The one before `reader`, to be had again. */
  #lastReader: RequestReader | null = null;
  /** Whose it is: a reload brings others, with other limits. */
  #readers: Readers<RequestReader> | null = null;

  /** `onPreface`: the first bytes are HTTP/2's; the socket is the callee's from then on. null = they would be a bad request. */
  constructor(plane: Plane, socket: Socket, tap: Tap, peer: Peer, onPreface: Preface | null, onClosed: () => void) {
    super();
    this.plane = plane;
    this.#onClosed = onClosed;
    this.peer = peer;
    this.exchange = new Exchange(plane, this);
    this.socket = socket;
    this.onPreface = onPreface;
    tap.reader = this;
    this.answer = new AnswerWriter(socket, () => this.#onDrain());
    this.holding = new Holding(socket);
    this.drainPace = new DrainPace(socket);
    socket.on('end', () => onFin(this));
    socket.on('error', () => {}); // `close` follows and is handled there
    socket.on('close', () => this.#onClose());
    plane.wheel.armIn(this, plane.limits.idleTimeoutMs);
  }

  get isFlushed(): boolean {
    return this.answer.hasLetGo;
  }

  /** Between two requests, so that a drain may close it. */
  get isIdle(): boolean {
    return this.phase === PHASE.HEAD && !this.isClogged && (this.reader === null || this.reader.isUntouched);
  }

  /** Requests wait until the client has taken the answers it was sent: it shall not have us pile up more of them. */
  get isClogged(): boolean {
    return this.phase === PHASE.HEAD && !this.holding.isEmpty && this.onPreface === null;
  }

  destroy(): void {
    this.socket.destroy();
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  take(chunk: Buffer): void {
    if (this.phase >= PHASE.CLOSING) return;
    this.plane.wheel.stamp();
    if (this.onPreface !== null) readFirst(this, chunk, this.onPreface);
    else this.process(chunk, false);
  }

  /** It speaks another protocol: the socket is somebody else's from now on. */
  handOver(): void {
    this.phase = PHASE.DEAD;
    this.#isHandedOver = true;
    this.plane.wheel.drop(this);
    this.plane.forget(this);
  }

  next(): Buffer {
    return this.#buffer.next(this.phase === PHASE.BODY && this.leftover < 0, this.exchange.isUpstreamFlushed);
  }

  /** `isOwn`: nobody else writes to the chunk's memory. */
  process(chunk: Buffer, isOwn: boolean): void {
    this.isLooping = true;
    let at = 0;
    while (at >= 0 && at < chunk.length) {
      switch (this.phase) {
        case PHASE.HEAD:
          if (this.holding.isEmpty && this.answer.hasRoom) at = readHead(this, chunk, at);
          else at = this.#clog(isOwn ? chunk.subarray(at) : kept(chunk, at, chunk.length));
          break;
        case PHASE.BODY:
          at = readBody(this, chunk, at);
          break;
        case PHASE.TUNNEL:
          this.exchange.onRequestChunk(chunk, at, chunk.length);
          at = chunk.length;
          break;
        case PHASE.ANSWERING: // requests behind the one that is being answered wait their turn
          this.holding.keep(isOwn ? chunk.subarray(at) : kept(chunk, at, chunk.length));
          at = -1;
          break;
        default:
          at = -1;
      }
    }
    this.isLooping = false;
    if (this.phase === PHASE.HEAD) {
      if (this.isIdle) awaitRequest(this);
      else if (this.hasFin && !this.isClogged) this.socket.destroy();
    } else if (this.phase === PHASE.BODY && this.hasFin) breakOff(this);
    else if (this.phase < PHASE.CLOSING) this.exchange.flush();
  }

  /** The client has not taken what it was sent before; `#onDrain` goes on. */
  #clog(more: Buffer): number {
    this.holding.keep(more);
    this.holding.stop(HELD.BY_STASH);
    this.awaitDrain();
    return -1;
  }

  borrowReader(): RequestReader {
    this.#readers = this.plane.requestReaders;
    this.reader = this.#readers.take(this, this.#lastReader);
    this.#lastReader = this.reader;
    return this.reader;
  }

  /** Its answer is whole: others may have it until this connection wants one again. */
  layReaderBack(): void {
    if (this.reader !== null) this.#readers?.keep(this.reader);
    this.reader = null;
  }

  #onClose(): void {
    if (this.#isHandedOver) return;
    const wasBusy = this.phase === PHASE.BODY || this.phase === PHASE.ANSWERING || this.phase === PHASE.TUNNEL;
    this.phase = PHASE.DEAD;
    this.holding.take();
    this.drainPace.stop();
    this.answer.drop();
    this.plane.wheel.drop(this);
    if (wasBusy) this.exchange.onClientGone();
    if (this.#lastReader !== null) this.#readers?.give(this, this.#lastReader);
    this.reader = null;
    this.#lastReader = null;
    this.plane.forget(this);
    this.#onClosed();
  }

  override onDeadline(nowMs: number): void {
    onDeadline(this, nowMs);
  }

  #onDrain(): void {
    if (this.phase === PHASE.DEAD) return;
    this.drainPace.stop();
    if (this.isClogged) {
      this.plane.wheel.stamp();
      return takeUp(this);
    }
    this.watch();
    if (this.phase < PHASE.CLOSING) this.exchange.onDownstreamDrain();
  }

  // ── Downstream ───────────────────────────────────────────────────────────────────────────────────────────────────

  interim(head: ResponseHead | null, status: number): void {
    if (this.answer.isOldClient) return; // RFC 9110, 15.2: a 1.0 client does not know 1xx
    this.answer.interim(head, status);
    this.flush();
  }

  head(status: number, reason: string, fields: Fields | null, extra: string, framing: number, length: number): void {
    if (this.plane.endsConnections) this.answer.persist = false;
    // Refused before its 100: whether the body still comes is the client's choice, so nothing behind it can be told apart.
    if (this.phase === PHASE.BODY && this.exchange.owes100) this.answer.persist = false;
    this.answer.head(status, reason, fields, extra, framing, length);
  }

  chunk(chunk: Buffer, from: number, to: number): boolean {
    if (this.answer.chunk(chunk, from, to)) return true;
    this.awaitDrain();
    return false;
  }

  /** A client that takes nothing of its answer for idleTimeout, or hardly anything, is let go. */
  awaitDrain(): void {
    this.drainPace.await(this.plane.wheel.nowMs, this.plane.limits.idleTimeoutMs);
    this.watch();
  }

  /** Times what is waited for now. A client that has said its last byte is timed by its presence. */
  watch(): void {
    const { phase } = this;
    if (phase === PHASE.HEAD ? !this.isClogged : phase === PHASE.ANSWERING && this.hasFin) return;
    if (phase < PHASE.CLOSING && this.leftover < 0)
      this.plane.wheel.arm(this, Math.min(this.bodyPace.dueMs, this.drainPace.dueMs));
  }

  end(trailers: Fields | null): void {
    if (this.phase === PHASE.TUNNEL) {
      this.flush();
      return close(this);
    }
    this.answer.end(trailers);
    finish(this);
  }

  reply(status: number, fields: string, body: string): void {
    if (this.plane.endsConnections || (this.phase === PHASE.BODY && !outlivesAnswer(this, status)))
      this.answer.persist = false;
    this.answer.whole(status, fields, body);
    finish(this);
  }

  beginDrain(): void {} // HTTP/1.1 has no word for it: the next answer carries `Connection: close`

  /** Closes an idle connection (drain). */
  closeIdle(): void {
    if (this.isIdle) close(this);
  }

  abort(): void {
    cut(this);
  }

  flush(): void {
    if (!this.answer.flush()) this.awaitDrain();
  }

  /** A client that sends nothing of its body for bodyTimeout, or hardly anything, is told. */
  awaitBody(): void {
    this.bodyPace.start(this.plane.wheel.nowMs, this.plane.limits.bodyTimeoutMs);
    this.watch();
  }

  pause(): void {
    this.holding.stop(HELD.BY_EXCHANGE);
    if (this.phase !== PHASE.BODY) return;
    this.bodyPace.stop(); // it is us who do not read
    this.watch();
  }

  resume(): void {
    if (!this.holding.isStopped(HELD.BY_EXCHANGE)) return;
    if (this.phase === PHASE.BODY) this.awaitBody();
    this.holding.go(HELD.BY_EXCHANGE);
  }

  tunnel(): void {
    this.phase = PHASE.TUNNEL;
    this.answer.isChunked = false;
    this.watch();
    const stash = this.holding.take();
    this.holding.goAll();
    if (stash !== null) this.exchange.onRequestChunk(stash, 0, stash.length);
    if (this.hasFin) this.exchange.onTunnelFin();
  }
}
