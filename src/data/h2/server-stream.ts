// One HTTP/2 request of a client: the Downstream of its exchange. It is used again for later requests of its connection.
// Towards the exchange it speaks HTTP/1.1's language: a WebSocket (extended CONNECT, RFC 8441) looks like an upgrade there, and
// the 101 that answers it is a 200 here.

import { randomBytes } from 'node:crypto';
import { FRAMING } from '../../wire/body.ts';
import { FAULT, NO_FAULT } from '../../wire/fault.ts';
import { addLine, Fields } from '../../wire/fields.ts';
import type { HeaderBlock } from '../../wire/h2/block.ts';
import { FLAG, FRAME, H2_ERROR } from '../../wire/h2/frames.ts';
import { readRequest } from '../../wire/h2/request.ts';
import { USUAL_LINES } from '../../wire/lines.ts';
import { RequestHead } from '../../wire/request.ts';
import type { ResponseHead } from '../../wire/response.ts';
import { httpDate } from '../../wire/write.ts';
import { kept } from '../buffers.ts';
import { PROBLEM, type Problem, renderProblem } from '../errors.ts';
import { Exchange } from '../exchange.ts';
import { isGrpc } from '../grpc.ts';
import { dropNamed } from '../headers.ts';
import { Pace, TakingPace } from '../pace.ts';
import type { Downstream, Peer } from '../sides.ts';
import type { Sender } from './sender.ts';
import type { H2ServerConnection } from './server.ts';
import { H2Stream } from './stream.ts';

export class ServerStream extends H2Stream implements Downstream {
  readonly request = new RequestHead(USUAL_LINES);
  readonly exchange: Exchange;
  readonly #connection: H2ServerConnection;
  /** Of the request, read after its body; null until it had some. */
  #trailers: Fields | null = null;
  #hasTrailers = false;
  /** Bytes that Content-Length still promises; -1 = it promised nothing. */
  #expected = -1;
  /** The last of the promised bytes: an endpoint that had them would have a whole request, so they wait for END_STREAM. */
  #last: Buffer | null = null;
  #isTunnel = false;
  /** On the connection's list of those to be flushed after this read. */
  isTouched = false;
  /** A request without progress is cut; a gRPC stream may be silent for as long as it likes. */
  #isTimed = false;
  /** Of the request's body, and of the client's opening of windows for the answer. */
  readonly #bodyPace = new Pace();
  readonly #drainPace = new TakingPace();

  constructor(connection: H2ServerConnection) {
    super();
    this.#connection = connection;
    this.exchange = new Exchange(connection.plane, this);
  }

  get peer(): Peer {
    return this.#connection.peer;
  }

  protected get sender(): Sender {
    return this.#connection.sender;
  }

  // ── from the client ──────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Reads the request in the block, which also has to fit into an HTTP/1.1 request line and ask for nothing unheard of.
   * Gives a FAULT.
   */
  read(block: HeaderBlock, hasBody: boolean): number {
    const head = this.request;
    head.methodId = 0;
    const fault = readRequest(block, head, hasBody);
    if (fault !== NO_FAULT) return fault;
    const lineBytes = head.method.length + 1 + head.target.length + ' HTTP/1.1'.length;
    if (lineBytes > this.#connection.plane.limits.requestLineBytes) return FAULT.LINE_TOO_LONG;
    if (head.isExtendedConnect && head.upgrade.toLowerCase() !== 'websocket') return FAULT.CONNECT; // RFC 9220, 3
    return NO_FAULT;
  }

  /** A request whose head stands in `request`; it goes on its way with `wake`. */
  arrive(id: number, sendWindow: number, hasBody: boolean): void {
    this.open(id, sendWindow);
    this.#hasTrailers = false;
    this.#isTunnel = false;
    this.#isTimed = false;
    this.#last = null;
    this.isRemoteEnded = !hasBody;
    this.isAsleep = true;
  }

  override wake(): void {
    if (!this.isAsleep) return;
    this.isAsleep = false;
    const head = this.request;
    const hasBody = !this.isRemoteEnded;
    this.#expected = hasBody && head.framing === FRAMING.LENGTH ? head.length : -1;
    const isUpgrade = head.isExtendedConnect;
    if (isUpgrade) {
      this.isPaused = true; // what comes before the endpoint has agreed waits
      if (!hasBody) this.deliverEnd();
      if (head.findName('sec-websocket-key') < 0) {
        addLine(head, 'Sec-WebSocket-Key', randomBytes(16).toString('base64'));
        head.linesStamp = 0; // these are not the lines of the block any more
      }
    }
    this.#isTimed = hasBody && !isUpgrade && !isGrpc(head);
    if (this.#isTimed) this.#awaitBody();
    this.exchange.begin(head, hasBody && !isUpgrade, this.#connection.plane.wheel.nowMs);
  }

  /** A request that cannot be served, answered by itself. */
  refuse(id: number, sendWindow: number, hasBody: boolean, problem: Problem): void {
    this.open(id, sendWindow);
    this.isRemoteEnded = !hasBody;
    this.#isTimed = false;
    this.#isTunnel = false;
    this.#expected = -1; // what comes of a body is passed over while the answer waits for a window
    this.#last = null;
    this.#connection.plane.countRefusal(problem.status, this.#connection.peer, problem);
    const { fields, body } = renderProblem(problem, false);
    // Of a head that was too large nobody has read whether it asks for HEAD, whose answer has no body.
    this.reply(problem.status, fields, problem.status === 431 ? '' : body);
  }

  protected onBody(chunk: Buffer, from: number, to: number): void {
    this.#connection.touch(this);
    if (this.#expected >= 0) {
      this.#expected -= to - from;
      if (this.#expected < 0) return this.#connection.resetStream(this, H2_ERROR.PROTOCOL_ERROR);
      if (this.#expected === 0 && (!this.isRemoteEnded || this.hasHeld)) {
        this.#last = kept(chunk, from, to);
        return;
      }
    }
    this.#bodyPace.moved(to - from, this.#connection.plane.wheel.nowMs);
    this.exchange.onRequestChunk(chunk, from, to);
  }

  /** Space for the trailers of this request. */
  get trailers(): Fields {
    this.#hasTrailers = true;
    this.#trailers ??= new Fields(USUAL_LINES);
    return this.#trailers;
  }

  protected onBodyEnd(): void {
    if (this.#isTunnel) return this.exchange.onTunnelFin();
    if (this.#expected > 0) return this.#connection.resetStream(this, H2_ERROR.PROTOCOL_ERROR);
    const last = this.#last;
    this.#last = null;
    if (last !== null) this.exchange.onRequestChunk(last, 0, last.length);
    if (this.isClosed) return;
    this.#isTimed = false;
    this.#bodyPace.stop();
    this.#watch();
    this.exchange.onRequestEnd(this.#hasTrailers && this.#trailers!.count > 0 ? this.#trailers : null);
  }

  override onDeadline(nowMs: number): void {
    if (this.isClosed) return;
    if (this.#drainPace.isTooSlow(nowMs)) return this.#connection.resetStream(this, H2_ERROR.CANCEL);
    const isSlow = this.#bodyPace.isTooSlow(nowMs);
    if (isSlow) this.#bodyPace.stop();
    this.#watch();
    if (isSlow && !this.hasEnded) this.exchange.onRequestBroken(PROBLEM.requestTimeout);
  }

  #watch(): void {
    this.#connection.plane.wheel.arm(this, Math.min(this.#bodyPace.dueMs, this.#drainPace.dueMs));
  }

  /** A client that sends nothing of its body for bodyTimeout, or hardly anything, is told. */
  #awaitBody(): void {
    const { wheel, limits } = this.#connection.plane;
    this.#bodyPace.start(wheel.nowMs, limits.bodyTimeoutMs);
    this.#watch();
  }

  /** One that opens no window for idleTimeout, or hardly any, does not want its answer. */
  #awaitDrain(): void {
    if (this.#drainPace.isRunning) return;
    const { wheel, limits } = this.#connection.plane;
    this.#drainPace.start(wheel.nowMs, limits.idleTimeoutMs);
    this.#watch();
  }

  // ── Downstream ───────────────────────────────────────────────────────────────────────────────────────────────────

  interim(head: ResponseHead | null, status: number): void {
    const { sender } = this;
    const at = sender.begin(FRAME.HEADERS, FLAG.END_HEADERS, this.id, 0);
    sender.encoder.status(sender.out, status);
    if (head !== null) sender.encoder.fields(sender.out, head);
    sender.endHeaders(this, at);
    sender.schedule();
  }

  head(status: number, _reason: string, fields: Fields | null, extra: string, framing: number, length: number): void {
    const { sender } = this;
    const { encoder } = sender;
    const at = sender.begin(FRAME.HEADERS, FLAG.END_HEADERS, this.id, 0);
    encoder.status(sender.out, status === 101 ? 200 : status);
    if (status === 101 && fields !== null) dropNamed(fields, 'sec-websocket-accept');
    if (fields !== null) encoder.fields(sender.out, fields);
    encoder.lines(sender.out, extra);
    if (framing === FRAMING.LENGTH) encoder.field(sender.out, 'content-length', `${length}`);
    sender.endHeaders(this, at);
    sender.schedule();
  }

  chunk(chunk: Buffer, from: number, to: number): boolean {
    if (this.sender.data(this, chunk, from, to)) return true;
    this.#awaitDrain();
    return false;
  }

  override take(bytes: number): void {
    super.take(bytes);
    if (bytes > 0) this.#drainPace.moved(bytes, this.#connection.plane.wheel.nowMs);
  }

  end(trailers: Fields | null): void {
    this.hasEnded = true;
    this.sender.end(this, trailers);
  }

  reply(status: number, fields: string, body: string): void {
    const { sender } = this;
    const { encoder } = sender;
    const at = sender.begin(FRAME.HEADERS, FLAG.END_HEADERS, this.id, 0);
    encoder.status(sender.out, status);
    encoder.lines(sender.out, `${fields}Via: 2.0 fermat\r\n`);
    encoder.field(sender.out, 'date', httpDate(Date.now()));
    if (status !== 204 && status !== 304) encoder.field(sender.out, 'content-length', `${body.length}`);
    sender.endHeaders(this, at);
    if (this.request.methodId !== 2 && body.length > 0) {
      const bytes = Buffer.from(body, 'latin1');
      if (!sender.data(this, bytes, 0, bytes.length)) this.#awaitDrain();
    }
    this.end(null);
  }

  abort(): void {
    if (this.isClosed) return;
    this.#connection.cut(this, H2_ERROR.INTERNAL_ERROR);
  }

  flush(): void {
    this.sender.schedule();
  }

  pause(): void {
    this.isPaused = true;
    this.#bodyPace.stop(); // it is us who do not read
    this.#watch();
  }

  resume(): void {
    if (!this.isPaused || this.isClosed || (this.request.isExtendedConnect && !this.#isTunnel)) return;
    if (this.#isTimed) this.#awaitBody();
    this.takeUp();
    this.exchange.flush();
  }

  tunnel(): void {
    this.#isTunnel = true;
    this.#expected = -1;
    this.takeUp();
  }

  /** What was handed over was copied. */
  get isFlushed(): boolean {
    return true;
  }

  // ── from the sender ──────────────────────────────────────────────────────────────────────────────────────────────

  onSent(): void {
    this.#drainPace.stop();
    this.#watch();
    this.exchange.onDownstreamDrain();
  }

  onEnded(): void {
    this.#connection.onAnswered(this);
  }

  /** The connection lets go of it: nothing of this request is left. */
  close(): void {
    this.forget();
    this.#last = null;
    this.#bodyPace.stop();
    this.#drainPace.stop();
    this.#connection.plane.wheel.drop(this);
  }
}
