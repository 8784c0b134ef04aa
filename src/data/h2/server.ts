// The client's side over HTTP/2: one object per client connection. Requests become streams, each with an exchange of its own;
// how many there may be, what a client may waste, and how the connection ends is decided here (RFC 9113, 5 and 6.8).

import type { Socket } from 'node:net';
import type { LimitsSpec } from '../../core/snapshot.ts';
import { FAULT, faultOf, NO_FAULT } from '../../wire/fault.ts';
import { HPACK } from '../../wire/h2/decoder.ts';
import { DEFAULT_WINDOW_BYTES, H2_ERROR, MAX_STREAM_ID, PREFACE, SETTING } from '../../wire/h2/frames.ts';
import { readTrailers } from '../../wire/h2/trailers.ts';
import { SHARED, type Tap } from '../buffers.ts';
import { problemOfFault } from '../errors.ts';
import type { ClientConnectionHandle, Plane } from '../plane.ts';
import type { Peer } from '../sides.ts';
import { Gap } from './gap.ts';
import { CONNECTION_WINDOW_BYTES } from './inflow.ts';
import { COST, EARNED } from './patience.ts';
import { Pending } from './pending.ts';
import { ServerStream } from './server-stream.ts';
import { H2Session } from './session.ts';
import { STREAM_WINDOW_BYTES } from './stream.ts';
import { OVERDUE, Vigil } from './vigil.ts';

/** Node's own server allows four billion unless told otherwise; browsers are content with this. */
const MAX_STREAMS = 100;
/** A request that was left standing for so long is taken back in good faith (watches that end); as Envoy has it. */
const RASH_MS = 1000;
/** Stream objects kept for the next requests of an idle connection. */
const MAX_SPARE = 8;
const NO_BYTES = Buffer.alloc(8);

export class H2ServerConnection extends H2Session<ServerStream> implements ClientConnectionHandle {
  readonly peer: Peer;
  readonly #onClosed: () => void;
  readonly #spare: ServerStream[] = [];
  readonly #pending = new Pending();
  #prefaceBytes = 0;
  /** GOAWAY has been said: that there will be an end, and then which request is the last. */
  #isWarned = false;
  #isLast = false;
  /** Nothing is read until it has taken what it was sent. */
  #isHeldBack = false;
  readonly #gap = new Gap();
  readonly #vigil: Vigil;

  constructor(plane: Plane, socket: Socket, tap: Tap, peer: Peer, onClosed: () => void) {
    super(plane, socket, SHARED);
    this.peer = peer;
    this.#onClosed = onClosed;
    tap.reader = this;
    this.sender.settings([
      [SETTING.MAX_CONCURRENT_STREAMS, MAX_STREAMS],
      [SETTING.INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES],
      [SETTING.MAX_HEADER_LIST_SIZE, plane.limits.headBytes],
      [SETTING.ENABLE_CONNECT_PROTOCOL, 1],
    ]);
    this.sender.windowUpdate(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
    this.#vigil = new Vigil(socket);
    this.#vigil.frame(true, plane.wheel.nowMs); // the preface
    this.#watch();
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  override take(chunk: Buffer): void {
    if (this.isOver) return;
    this.plane.wheel.stamp();
    let at = 0;
    if (this.#prefaceBytes < PREFACE.length) {
      at = Math.min(chunk.length, PREFACE.length - this.#prefaceBytes);
      if (PREFACE.compare(chunk, 0, at, this.#prefaceBytes, this.#prefaceBytes + at) !== 0)
        return this.fail(H2_ERROR.PROTOCOL_ERROR);
      this.#prefaceBytes += at;
    }
    const before = this.framesRead;
    this.read(chunk, at);
    this.#pending.send();
    if (this.framesRead !== before) this.#vigil.frame(false, 0); // what is not whole now began in this read
    this.#awaitFrame();
    this.#watch();
    if (!this.sender.isFull || this.isOver) return;
    this.#isHeldBack = true; // or answers without bodies pile up for as long as it asks
    this.#vigil.frame(false, 0); // it is not the client that lets the rest of a frame wait
    this.socket.pause();
  }

  #awaitFrame(): void {
    this.#vigil.frame(this.isMidway || this.#prefaceBytes < PREFACE.length, this.plane.wheel.nowMs);
  }

  override onIdle(): void {
    super.onIdle();
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    this.#awaitFrame();
    this.#watch();
    this.socket.resume();
  }

  /** Body bytes for its endpoint came in this read. */
  touch(stream: ServerStream): void {
    this.#pending.touch(stream);
  }

  /** What is waited for now, and how long. */
  #watch(): void {
    if (this.isOver) return;
    const { wheel, limits } = this.plane;
    this.#vigil.request(this.streams.size === 0, wheel.nowMs);
    wheel.arm(this, this.#vigil.dueMs(limits));
  }

  override onWriting(isWriting: boolean): void {
    const { wheel, limits } = this.plane;
    if (isWriting) this.#vigil.drain.await(wheel.nowMs, limits.idleTimeoutMs);
    else this.#vigil.drain.stop();
    this.#watch();
  }

  override onDeadline(nowMs: number): void {
    if (this.isOver) return this.destroy();
    switch (this.#vigil.overdue(nowMs, this.plane.limits)) {
      case OVERDUE.DRAIN:
        return this.destroy();
      case OVERDUE.FRAME:
        return super.fail(H2_ERROR.ENHANCE_YOUR_CALM); // slow, which is no flood
      case OVERDUE.REQUEST:
        return this.fail(H2_ERROR.NO_ERROR);
    }
    this.#watch();
  }

  protected override onHeaders(streamId: number, code: number, isEnd: boolean): void {
    const known = this.streams.get(streamId);
    if (known !== undefined) return this.#onTrailers(known, code, isEnd);
    if ((streamId & 1) === 0) return this.fail(H2_ERROR.PROTOCOL_ERROR);
    if (streamId <= this.lastId)
      return this.onStray(streamId, this.#gap.has(streamId) ? H2_ERROR.PROTOCOL_ERROR : H2_ERROR.STREAM_CLOSED);
    if (this.#isLast) return this.onStray(streamId, H2_ERROR.STREAM_CLOSED);
    this.#gap.note(this.lastId, streamId);
    this.lastId = streamId;
    if (this.streams.size >= MAX_STREAMS) {
      if (this.spend(COST.RESET)) this.sendReset(streamId, H2_ERROR.REFUSED_STREAM);
      return;
    }
    const stream = this.#spare.pop() ?? new ServerStream(this);
    const fault = code === HPACK.TOO_LARGE ? FAULT.HEAD_TOO_LARGE : stream.read(this.block, !isEnd);
    if (fault !== NO_FAULT) return this.#refuse(stream, streamId, fault, isEnd);
    this.streams.set(streamId, stream);
    this.#vigil.request(false, 0); // it may be over before anybody looks
    if (this.plane.endsConnections) this.beginDrain();
    stream.arrive(streamId, this.sender.initialWindow, !isEnd);
    this.#pending.begin(stream);
  }

  /** Malformed is a stream error; what is only too much, or not served here, is told. */
  #refuse(stream: ServerStream, streamId: number, fault: number, isEnd: boolean): void {
    const { status, detail, proxyStatus } = faultOf(fault);
    if (!this.spend(COST.FAULT)) return;
    if (status !== 400) {
      this.streams.set(streamId, stream);
      stream.refuse(streamId, this.sender.initialWindow, !isEnd, problemOfFault(status, detail, proxyStatus));
      return;
    }
    this.plane.countRefusal(400, this.peer, problemOfFault(400, detail, proxyStatus));
    this.#spare.push(stream);
    this.sendReset(streamId, H2_ERROR.PROTOCOL_ERROR);
  }

  #onTrailers(stream: ServerStream, code: number, isEnd: boolean): void {
    if (stream.isRemoteEnded) return this.resetStream(stream, H2_ERROR.STREAM_CLOSED);
    stream.wake();
    if (stream.isClosed) return;
    const isGood = isEnd && code === HPACK.OK && readTrailers(this.block, stream.trailers) === NO_FAULT;
    if (isGood) stream.deliverEnd();
    else this.resetStream(stream, H2_ERROR.PROTOCOL_ERROR);
  }

  protected override onReset(stream: ServerStream): void {
    const wasAsleep = stream.isAsleep;
    this.#release(stream);
    const isRash = wasAsleep || this.plane.wheel.nowMs - stream.exchange.books.startMs < RASH_MS;
    if (wasAsleep) this.plane.countRefusal(499, this.peer);
    else stream.exchange.onClientGone();
    this.#recycle(stream);
    if (isRash) this.spend(COST.RESET);
  }

  protected override onSettings(): void {}

  protected override get headLimits(): LimitsSpec {
    return this.plane.limits;
  }

  protected override onGoaway(): void {} // the client will begin no more; what it has begun is answered

  protected override isUnbegun(streamId: number): boolean {
    return (streamId & 1) === 0 || (streamId > this.lastId && !this.#isLast);
  }

  /** What is behind the last request that we said we would serve, the client knows to repeat elsewhere: it is passed over. */
  protected override onStray(streamId: number, error: number, bytes?: number): void {
    if (this.#isLast && streamId > this.lastId) this.spend(COST.CONTROL);
    else super.onStray(streamId, error, bytes);
  }

  // ── ends of streams ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The client broke the rules of this stream. */
  override resetStream(stream: ServerStream, error: number): void {
    if (stream.isClosed) return;
    this.sendReset(stream.id, error);
    this.#release(stream);
    stream.exchange.onClientGone();
    this.#recycle(stream);
    this.spend(COST.FAULT);
  }

  /** The answer cannot be completed: the client is shown that it is not whole. */
  cut(stream: ServerStream, error: number): void {
    this.sendReset(stream.id, error);
    this.#release(stream);
    this.#recycle(stream);
  }

  /** The answer is whole. A client that still sends is told that nobody listens (RFC 9113, 8.1). */
  onAnswered(stream: ServerStream): void {
    if (!stream.isRemoteEnded) this.sendReset(stream.id, H2_ERROR.NO_ERROR);
    this.patience.earn(EARNED.ANSWER);
    this.#release(stream);
    this.#recycle(stream);
  }

  #release(stream: ServerStream): void {
    this.streams.delete(stream.id);
    stream.close();
  }

  #recycle(stream: ServerStream): void {
    if (this.isOver) return;
    this.#spare.push(stream);
    if (this.streams.size > 0) return;
    if (this.#spare.length > MAX_SPARE) this.#spare.length = MAX_SPARE;
    if (this.#isLast) this.shut();
    else this.#watch();
  }

  /** Whoever floods again and again is let in late. */
  protected override fail(error: number): void {
    if (error === H2_ERROR.ENHANCE_YOUR_CALM && !this.isOver) this.plane.porch.strike(this.plane, this.peer.address);
    super.fail(error);
  }

  // ── the end of the connection ────────────────────────────────────────────────────────────────────────────────────

  /** A drain has begun: the client is told to go elsewhere, and everything it has sent meanwhile is still served. */
  beginDrain(): void {
    if (this.#isWarned || this.isOver) return;
    this.#isWarned = true;
    this.sender.goaway(MAX_STREAM_ID, H2_ERROR.NO_ERROR);
    this.sender.ping(NO_BYTES, 0, false);
  }

  /** The client has read our warning: what comes from now on, it knows to repeat elsewhere. */
  protected override onPong(): void {
    if (this.#isWarned) this.closeIdle();
  }

  /** Which request is the last that is served. */
  closeIdle(): void {
    if (this.#isLast || this.isOver) return;
    this.#isLast = true;
    this.sender.goaway(this.lastId, H2_ERROR.NO_ERROR);
    if (this.streams.size === 0) this.shut();
  }

  protected override abandon(): void {
    for (const stream of this.streams.values()) {
      stream.close();
      stream.exchange.onClientGone();
    }
    this.streams.clear();
    this.#spare.length = 0;
  }

  protected override onClosed(): void {
    this.#vigil.drain.stop();
    this.plane.forget(this);
    this.#onClosed();
  }
}
