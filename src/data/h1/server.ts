// The client's side over HTTP/1.1: one object per client connection, reading requests one after another and framing the
// answers. It knows bytes and time-outs; what a request means and where it goes is the exchange's business.
//
//   HEAD ──head──▶ BODY ──last byte──▶ ANSWERING ──answer whole──▶ HEAD   (keep-alive; pipelined bytes wait in #stash)
//                                          │ 101 ▶ TUNNEL          └────▶ CLOSING: half-close, drain ≤ 2 s, destroy

import type { Socket } from 'node:net';
import { BODY, BodyReader, FRAMING } from '../../wire/body.ts';
import { faultOf } from '../../wire/fault.ts';
import { copyKept, type Fields } from '../../wire/fields.ts';
import { PREFACE } from '../../wire/h2/frames.ts';
import type { RequestHead, RequestReader } from '../../wire/request.ts';
import type { ResponseHead } from '../../wire/response.ts';
import { httpDate, lengthLine, statusLine } from '../../wire/write.ts';
import { kept, ReadBuffer, type Reading, type Tap } from '../buffers.ts';
import { PROBLEM, type Problem, problemOfFault, renderProblem } from '../errors.ts';
import { Exchange } from '../exchange.ts';
import type { Plane } from '../plane.ts';
import type { Readers } from '../readers.ts';
import type { Downstream, Peer } from '../sides.ts';
import { Timed } from '../wheel.ts';
import { Presence, VERDICT } from './presence.ts';
import { MessageWriter } from './writer.ts';

/** Takes over a connection whose first bytes, all given, are HTTP/2's. */
export type Preface = (bytes: Buffer) => void;

const PHASE = { HEAD: 0, BODY: 1, ANSWERING: 2, TUNNEL: 3, CLOSING: 4, DEAD: 5 } as const;
/** Who does not want the socket to be read now. */
const HELD = { BY_EXCHANGE: 1, BY_STASH: 2 } as const;
type Phase = (typeof PHASE)[keyof typeof PHASE];

/** How long an answered connection is drained before it is destroyed: a reset would eat the answer. */
const LINGER_MS = 2000;
/** What is read of a body after an endpoint has answered early, so that the connection can go on. */
const MAX_LEFTOVER_BYTES = 256 * 1024;
/** Pipelined bytes held while an answer is under way. Until then the socket is read, since only reading sees a client go. */
const MAX_STASH_BYTES = 64 * 1024;

export class ServerConnection extends Timed implements Downstream, Reading {
  readonly peer: Peer;
  readonly #plane: Plane;
  readonly #socket: Socket;
  readonly #onClosed: () => void;
  #onPreface: Preface | null;
  /** It speaks another protocol, and the socket is somebody else's. */
  #isHandedOver = false;
  readonly #buffer = new ReadBuffer();
  /** Lent from the first byte of a head to the end of its answer; null between requests. */
  #reader: RequestReader | null = null;
  /** The one before it, to be had again. */
  #lastReader: RequestReader | null = null;
  /** Whose it is: a reload brings others, with other limits. */
  #readers: Readers<RequestReader> | null = null;
  readonly #body = new BodyReader();
  readonly #exchange: Exchange;
  #phase: Phase = PHASE.HEAD;
  /** Bytes of the next request, read before this one was answered. The socket is paused meanwhile. */
  #stash: Buffer | null = null;
  /** Why the socket is not read: HELD bits. */
  #held = 0;
  readonly #writer: MessageWriter;
  #isCounted = false; // the body has a Content-Length
  #isHeadRequest = false;
  #isOldClient = false; // HTTP/1.0
  #persist = true;
  #isLooping = false;
  #hasFin = false;
  readonly #presence = new Presence();
  /** A final head has been written. */
  #hasBegun = false;
  #headStarted = false;
  #requestReadMs = 0;
  /** Body bytes read after the answer was already whole; -1 = the answer is not. */
  #leftover = -1;

  /** `onPreface`: the first bytes are HTTP/2's; the socket is the callee's from then on. null = they would be a bad request. */
  constructor(plane: Plane, socket: Socket, tap: Tap, peer: Peer, onPreface: Preface | null, onClosed: () => void) {
    super();
    this.#plane = plane;
    this.#onClosed = onClosed;
    this.peer = peer;
    this.#exchange = new Exchange(plane, this);
    this.#socket = socket;
    this.#onPreface = onPreface;
    tap.reader = this;
    this.#writer = new MessageWriter(socket, () => this.#onDrain());
    socket.on('end', () => this.#onFin());
    socket.on('error', () => {}); // `close` follows and is handled there
    socket.on('close', () => this.#onClose());
    plane.wheel.armIn(this, plane.limits.idleTimeoutMs);
  }

  get isFlushed(): boolean {
    return this.#writer.hasLetGo;
  }

  /** Between two requests, so that a drain may close it. */
  get isIdle(): boolean {
    return this.#phase === PHASE.HEAD && !this.#isClogged && (this.#reader === null || this.#reader.isUntouched);
  }

  /** Requests wait until the client has taken the answers it was sent: it shall not have us pile up more of them. */
  get #isClogged(): boolean {
    return this.#phase === PHASE.HEAD && this.#stash !== null && this.#onPreface === null;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  take(chunk: Buffer): void {
    if (this.#phase >= PHASE.CLOSING) return;
    this.#plane.wheel.stamp();
    if (this.#onPreface !== null) this.#takeFirst(chunk, this.#onPreface);
    else this.#process(chunk, false);
  }

  /** HTTP/2 by prior knowledge begins with a preface that is no HTTP/1.1 request (RFC 9113, 3.3). */
  #takeFirst(chunk: Buffer, onPreface: Preface): void {
    const bytes = this.#stash === null ? chunk : Buffer.concat([this.#stash, chunk]);
    this.#stash = null;
    const isShort = bytes.length < PREFACE.length;
    if (!(isShort ? PREFACE.subarray(0, bytes.length) : PREFACE).equals(bytes.subarray(0, PREFACE.length))) {
      this.#onPreface = null;
      return this.#process(bytes, bytes !== chunk);
    }
    if (isShort) {
      this.#stash = kept(bytes, 0, bytes.length);
      this.#plane.wheel.armIn(this, this.#plane.limits.headTimeoutMs);
      return;
    }
    this.#phase = PHASE.DEAD;
    this.#isHandedOver = true;
    this.#plane.wheel.drop(this);
    this.#plane.forget(this);
    onPreface(bytes);
  }

  next(): Buffer {
    return this.#buffer.next(this.#phase === PHASE.BODY && this.#leftover < 0, this.#exchange.isUpstreamFlushed);
  }

  /** `isOwn`: nobody else writes to the chunk's memory. */
  #process(chunk: Buffer, isOwn: boolean): void {
    this.#isLooping = true;
    let at = 0;
    while (at >= 0 && at < chunk.length) {
      switch (this.#phase) {
        case PHASE.HEAD:
          if (this.#stash === null && this.#writer.hasRoom) at = this.#readHead(chunk, at);
          else at = this.#clog(isOwn ? chunk.subarray(at) : kept(chunk, at, chunk.length));
          break;
        case PHASE.BODY:
          at = this.#readBody(chunk, at);
          break;
        case PHASE.TUNNEL:
          this.#exchange.onRequestChunk(chunk, at, chunk.length);
          at = chunk.length;
          break;
        case PHASE.ANSWERING:
          this.#hold(isOwn ? chunk.subarray(at) : kept(chunk, at, chunk.length));
          at = -1;
          break;
        default:
          at = -1;
      }
    }
    this.#isLooping = false;
    if (this.#phase === PHASE.HEAD) {
      if (this.isIdle) this.#awaitRequest();
      else if (this.#hasFin && !this.#isClogged) this.#socket.destroy();
    } else if (this.#phase === PHASE.BODY && this.#hasFin) this.#socket.destroy();
    else if (this.#phase < PHASE.CLOSING) this.#exchange.flush();
  }

  /** Requests behind the one that is being answered (pipelining) wait their turn. */
  #hold(more: Buffer): void {
    this.#stash = this.#stash === null ? more : Buffer.concat([this.#stash, more]);
    if (this.#stash.length <= MAX_STASH_BYTES) return;
    this.#held |= HELD.BY_STASH;
    this.#applyPause();
  }

  /** The client has not taken what it was sent before; `#onDrain` goes on. */
  #clog(more: Buffer): number {
    this.#hold(more);
    this.#held |= HELD.BY_STASH;
    this.#applyPause();
    this.#plane.wheel.armIn(this, this.#plane.limits.idleTimeoutMs);
    return -1;
  }

  #readHead(chunk: Buffer, at: number): number {
    if (this.#reader === null) {
      this.#readers = this.#plane.requestReaders;
      this.#reader = this.#readers.take(this, this.#lastReader);
      this.#lastReader = this.#reader;
    }
    const reader = this.#reader;
    const next = reader.feed(chunk, at);
    if (next >= 0) {
      this.#startRequest(reader.head);
      return next;
    }
    if (reader.fault !== 0) {
      const { status, detail, proxyStatus } = faultOf(reader.fault);
      this.#refuse(problemOfFault(status, detail, proxyStatus));
      return -1;
    }
    if (!this.#headStarted && !reader.isUntouched) {
      this.#headStarted = true;
      this.#plane.wheel.armIn(this, this.#plane.limits.headTimeoutMs);
    }
    return -1;
  }

  #startRequest(head: RequestHead): void {
    this.#headStarted = false;
    this.#isHeadRequest = head.methodId === 2;
    this.#isOldClient = head.minor === 0;
    this.#persist = head.keepAlive && !this.#plane.isDraining;
    this.#hasBegun = false;
    this.#body.begin(head.framing, head.length);
    const hasBody = !this.#body.isDone;
    const { nowMs } = this.#plane.wheel;
    if (hasBody) {
      this.#phase = PHASE.BODY;
      this.#plane.wheel.arm(this, nowMs + this.#plane.limits.bodyTimeoutMs);
    } else {
      this.#phase = PHASE.ANSWERING;
      this.#requestReadMs = nowMs;
      this.#plane.wheel.disarm(this);
    }
    this.#exchange.begin(head, hasBody, nowMs);
  }

  #readBody(chunk: Buffer, at: number): number {
    const body = this.#body;
    const code = body.read(chunk, at);
    if (code === BODY.DATA) {
      if (this.#leftover < 0) {
        this.#plane.wheel.armIn(this, this.#plane.limits.bodyTimeoutMs);
        this.#exchange.onRequestChunk(chunk, body.from, body.to);
      } else {
        this.#leftover += body.to - body.from;
        if (this.#leftover > MAX_LEFTOVER_BYTES) this.#close();
      }
      // A body of known length is over with its last byte; a chunked one tells by itself.
      if (this.#phase === PHASE.BODY && body.isDone) this.#endRequest(null);
      return body.at;
    }
    if (code === BODY.MORE) return -1;
    if (code === BODY.END) {
      this.#endRequest(body.trailers);
      return body.at;
    }
    const { status, detail, proxyStatus } = faultOf(body.fault);
    this.#exchange.onRequestBroken(problemOfFault(status, detail, proxyStatus));
    return -1;
  }

  #endRequest(trailers: Fields | null): void {
    if (this.#leftover >= 0) return this.#next();
    this.#phase = PHASE.ANSWERING;
    this.#requestReadMs = this.#plane.wheel.nowMs;
    if (this.#writer.hasRoom) this.#plane.wheel.disarm(this);
    else this.#awaitDrain();
    this.#exchange.onRequestEnd(trailers !== null && trailers.count > 0 ? trailers : null);
  }

  /** A request that cannot be understood: answered, and nothing behind it is read. */
  #refuse(problem: Problem): void {
    this.#persist = false;
    this.#isHeadRequest = false;
    this.#plane.countRefusal(problem.status);
    const { fields, body } = renderProblem(problem, false);
    this.reply(problem.status, fields, body);
  }

  #awaitRequest(): void {
    if (this.#reader !== null) this.#readers?.keep(this.#reader);
    this.#reader = null;
    if (this.#hasFin || (this.#plane.isDraining && this.#plane.isClosingIdle)) this.#close();
    else this.#plane.wheel.armIn(this, this.#plane.limits.idleTimeoutMs);
  }

  #returnReader(): void {
    if (this.#lastReader !== null) this.#readers?.give(this, this.#lastReader);
    this.#reader = null;
    this.#lastReader = null;
  }

  // ── the other end goes, or is silent ─────────────────────────────────────────────────────────────────────────────

  #onFin(): void {
    this.#hasFin = true;
    switch (this.#phase) {
      case PHASE.HEAD:
        if (this.isIdle) this.#socket.end();
        else if (!this.#isClogged) this.#socket.destroy();
        return;
      case PHASE.BODY:
        this.#socket.destroy(); // an incomplete message is never completed by us (RFC 9112, 8)
        return;
      case PHASE.ANSWERING: {
        if (this.#stash === null) this.#persist = false;
        const nowMs = this.#plane.wheel.stamp();
        this.#presence.fin(nowMs - this.#requestReadMs, this.#hasBegun);
        this.#writer.hasWritten = false;
        this.#plane.wheel.armIn(this, this.#presence.nextMs);
        return;
      }
      case PHASE.TUNNEL:
        this.#exchange.onTunnelFin();
        return;
    }
  }

  #onClose(): void {
    if (this.#isHandedOver) return;
    const wasBusy = this.#phase === PHASE.BODY || this.#phase === PHASE.ANSWERING || this.#phase === PHASE.TUNNEL;
    this.#phase = PHASE.DEAD;
    this.#stash = null;
    this.#writer.drop();
    this.#plane.wheel.drop(this);
    if (wasBusy) this.#exchange.onClientGone();
    this.#returnReader();
    this.#plane.forget(this);
    this.#onClosed();
  }

  override onDeadline(): void {
    switch (this.#phase) {
      case PHASE.HEAD:
        if (this.#headStarted) this.#refuse(PROBLEM.requestTimeout);
        else if (this.#isClogged) this.#socket.destroy();
        else this.#close();
        return;
      case PHASE.BODY:
        if (this.#leftover >= 0) this.#close();
        else this.#exchange.onRequestBroken(PROBLEM.requestTimeout);
        return;
      case PHASE.ANSWERING:
        if (!this.#hasFin || !this.#isStillThere()) this.#socket.destroy(); // or has not read for idleTimeout
        return;
      default:
        this.#socket.destroy();
    }
  }

  /** Of a client that has said its last byte. Judged again later unless the answer is no. */
  #isStillThere(): boolean {
    const writer = this.#writer;
    const { limits, wheel } = this.#plane;
    const verdict = this.#presence.judge(
      this.#hasBegun,
      !this.#isOldClient,
      writer.hasWritten,
      !writer.isFlushed,
      limits.idleTimeoutMs,
    );
    if (verdict === VERDICT.GONE) return false;
    if (verdict === VERDICT.ASK) this.interim(null, 102);
    writer.hasWritten = false;
    if (this.#presence.nextMs > 0) wheel.armIn(this, this.#presence.nextMs);
    return true;
  }

  #onDrain(): void {
    if (this.#phase === PHASE.DEAD) return;
    if (this.#isClogged) {
      this.#plane.wheel.stamp();
      return this.#takeUp();
    }
    if ((this.#phase === PHASE.ANSWERING && !this.#hasFin) || this.#phase === PHASE.TUNNEL || this.#isBodyHeld)
      this.#plane.wheel.disarm(this);
    if (this.#phase < PHASE.CLOSING) this.#exchange.onDownstreamDrain();
  }

  // ── Downstream ───────────────────────────────────────────────────────────────────────────────────────────────────

  interim(head: ResponseHead | null, status: number): void {
    if (this.#isOldClient) return; // RFC 9110, 15.2: a 1.0 client does not know 1xx
    this.#writer.text(`${statusLine(status, '')}${head === null ? '' : copyKept(head)}\r\n`);
    this.flush();
  }

  head(status: number, reason: string, fields: Fields | null, extra: string, framing: number, length: number): void {
    if (this.#plane.isDraining || (framing === FRAMING.UNTIL_CLOSE && this.#isOldClient)) this.#persist = false;
    // Refused before its 100: whether the body still comes is the client's choice, so nothing behind it can be told apart.
    if (this.#phase === PHASE.BODY && this.#exchange.owes100) this.#persist = false;
    this.#hasBegun = true;
    let text = statusLine(status, reason);
    if (fields !== null) text += copyKept(fields);
    text += extra;
    this.#writer.isChunked = false;
    this.#isCounted = framing === FRAMING.LENGTH;
    if (this.#isCounted) text += lengthLine(length);
    else if (framing !== FRAMING.NONE && !this.#isHeadRequest) {
      if (this.#isOldClient) this.#persist = false;
      else {
        this.#writer.isChunked = true;
        text += 'Transfer-Encoding: chunked\r\n';
      }
    }
    if (!this.#persist && status !== 101) text += 'Connection: close\r\n';
    this.#writer.text(`${text}\r\n`);
  }

  chunk(chunk: Buffer, from: number, to: number): boolean {
    if (this.#writer.chunk(chunk, from, to)) return true;
    this.#awaitDrain();
    return false;
  }

  /** A client that reads nothing of its answer for idleTimeout is let go. */
  #awaitDrain(): void {
    if (this.#phase === PHASE.ANSWERING || this.#isBodyHeld)
      this.#plane.wheel.armIn(this, this.#plane.limits.idleTimeoutMs);
    else if (this.#phase === PHASE.TUNNEL) this.#plane.wheel.armIn(this, this.#exchange.idleMs);
  }

  end(trailers: Fields | null): void {
    if (this.#phase === PHASE.TUNNEL) {
      this.flush();
      this.#close();
      return;
    }
    this.#writer.end(trailers);
    this.#finish();
  }

  reply(status: number, fields: string, body: string): void {
    if (this.#plane.isDraining || this.#phase === PHASE.BODY) this.#persist = false;
    const close = this.#persist ? '' : 'Connection: close\r\n';
    const content = status === 204 || status === 304 ? '' : `Content-Length: ${body.length}\r\n`;
    const head = `${statusLine(status, '')}${fields}${content}Date: ${httpDate(Date.now())}\r\nVia: 1.1 fermat\r\n${close}\r\n`;
    this.#writer.text(this.#isHeadRequest ? head : head + body);
    this.#finish();
  }

  #finish(): void {
    this.flush();
    if (!this.#persist || this.#phase > PHASE.ANSWERING) return this.#close();
    if (this.#phase === PHASE.ANSWERING) return this.#next();
    // The endpoint did not want the whole body. A small rest is read away, a large or slow one costs the connection.
    const { head } = this.#exchange;
    if (head.framing === FRAMING.LENGTH && head.length - this.#body.received > MAX_LEFTOVER_BYTES) return this.#close();
    this.#leftover = 0;
    this.#plane.wheel.armIn(this, LINGER_MS);
    this.#held = 0;
    this.#applyPause();
  }

  #next(): void {
    this.#phase = PHASE.HEAD;
    this.#leftover = -1;
    this.#reader?.reset();
    if (!this.#isLooping) this.#takeUp(); // else #process goes on with what is left of its chunk
  }

  /** Goes on with what was read too far. */
  #takeUp(): void {
    const stash = this.#stash;
    this.#stash = null;
    this.#held = 0;
    this.#applyPause();
    if (stash !== null) this.#process(stash, true);
    else this.#awaitRequest();
  }

  #close(): void {
    if (this.#phase === PHASE.DEAD) return;
    this.#phase = PHASE.CLOSING;
    this.#stash = null;
    const { wheel, limits } = this.#plane;
    // The time to linger counts from the last byte of the answer, however slowly it is read.
    wheel.armIn(this, this.#writer.isFlushed ? LINGER_MS : limits.idleTimeoutMs);
    this.#socket.once('finish', () => {
      if (this.#phase === PHASE.CLOSING) wheel.armIn(this, LINGER_MS);
    });
    this.#socket.end();
    this.#held = 0;
    this.#applyPause(); // to see its FIN
  }

  /** HTTP/1.1 has no word for it: the next answer carries `Connection: close`. */
  beginDrain(): void {}

  /** Closes an idle connection (drain). */
  closeIdle(): void {
    if (this.isIdle) this.#close();
  }

  abort(): void {
    if (this.#phase === PHASE.DEAD) return;
    const isVisible = this.#writer.isChunked || this.#isCounted;
    if (isVisible) this.flush();
    this.#phase = PHASE.DEAD;
    this.#writer.drop();
    // A body whose end is the close would look whole: only a reset tells. The others keep what they already got.
    if (isVisible) {
      if (!this.#writer.isFlushed) this.#plane.wheel.armIn(this, this.#plane.limits.idleTimeoutMs);
      this.#socket.destroySoon();
    } else this.#socket.resetAndDestroy();
  }

  flush(): void {
    if (!this.#writer.flush()) this.#awaitDrain();
  }

  pause(): void {
    this.#held |= HELD.BY_EXCHANGE;
    this.#applyPause();
    if (this.#phase !== PHASE.BODY) return;
    if (this.#writer.hasRoom)
      this.#plane.wheel.disarm(this); // it is us who do not read
    else this.#awaitDrain();
  }

  /** The body is not read because the exchange does not want it now: that its client sends nothing means nothing. */
  get #isBodyHeld(): boolean {
    return this.#phase === PHASE.BODY && (this.#held & HELD.BY_EXCHANGE) !== 0;
  }

  resume(): void {
    if ((this.#held & HELD.BY_EXCHANGE) === 0) return;
    this.#held &= ~HELD.BY_EXCHANGE;
    if (this.#phase === PHASE.BODY) this.#plane.wheel.armIn(this, this.#plane.limits.bodyTimeoutMs);
    this.#applyPause();
  }

  /** Reads unless somebody has a reason not to. */
  #applyPause(): void {
    if (this.#held !== 0) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  tunnel(): void {
    this.#phase = PHASE.TUNNEL;
    this.#writer.isChunked = false;
    this.#plane.wheel.disarm(this);
    const stash = this.#stash;
    this.#stash = null;
    this.#held = 0;
    if (stash !== null) this.#exchange.onRequestChunk(stash, 0, stash.length);
    this.#applyPause();
    if (this.#hasFin) this.#exchange.onTunnelFin();
  }
}
