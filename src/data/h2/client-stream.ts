// One request to an endpoint over HTTP/2: the Upstream of an exchange's attempt. Made when a connection is asked for, so that
// whoever waits for a handshake can be told about it and can give up; it becomes a stream when its head is sent.

import { FRAMING } from '../../wire/body.ts';
import { NO_FAULT } from '../../wire/fault.ts';
import { addLine, FIELD, Fields } from '../../wire/fields.ts';
import type { HeaderBlock } from '../../wire/h2/block.ts';
import { FLAG, FRAME, H2_ERROR } from '../../wire/h2/frames.ts';
import { readResponse } from '../../wire/h2/response.ts';
import { readTrailers } from '../../wire/h2/trailers.ts';
import { USUAL_LINES } from '../../wire/lines.ts';
import type { RequestHead } from '../../wire/request.ts';
import { ResponseHead } from '../../wire/response.ts';
import { dropNamed } from '../headers.ts';
import type { ConnectFailure, Upstream, UpstreamEvents } from '../sides.ts';
import { webSocketProof } from '../websocket.ts';
import type { H2ClientSession } from './client.ts';
import type { Sender } from './sender.ts';
import { H2Stream } from './stream.ts';

export class ClientStream extends H2Stream implements Upstream {
  isReused = false;
  connectMs = -1;
  /** On the session's list of those whose user is to be flushed after this read. */
  isTouched = false;
  /** Counted by its session. */
  isLent = false;
  /** Its answer is whole, and the endpoint or the connection has taken leave of it: nothing more can be sent. */
  isOrphan = false;
  #isQueued = false;
  /** What `expectWithin` was told last. */
  #withinMs = 0;
  #session: H2ClientSession;
  #user: UpstreamEvents | null;
  readonly #response = new ResponseHead(USUAL_LINES);
  #trailers: Fields | null = null;
  #methodId = 0;
  #hasFinalHead = false;
  #expected = -1;
  /** Of a WebSocket: what its client expects to be proven, '' of other requests. */
  #webSocketKey = '';
  #isWebSocket = false;

  constructor(session: H2ClientSession, user: UpstreamEvents) {
    super();
    this.#session = session;
    this.#user = user;
  }

  protected get sender(): Sender {
    return this.#session.sender;
  }

  /** Has to wait for another connection. */
  moveTo(session: H2ClientSession): void {
    this.#session = session;
  }

  /** The session is ready: the exchange may send. */
  ready(isReused: boolean, connectMs: number): void {
    this.isReused = isReused;
    this.connectMs = connectMs;
    this.#user?.onUpstreamReady(this);
  }

  /** The connection is there, but has no room: from now on it waits as in any queue. */
  queued(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#user?.onQueued();
  }

  connectFailed(reason: ConnectFailure): void {
    const user = this.#user;
    this.#user = null;
    this.forget();
    user?.onConnectFailed(reason);
  }

  // ── Upstream ─────────────────────────────────────────────────────────────────────────────────────────────────────

  head(method: string, path: string, fields: RequestHead, extra: string, framing: number, length: number): void {
    const session = this.#session;
    this.#isWebSocket = fields.upgrade !== '';
    if (this.#isWebSocket && !session.canConnect) {
      setImmediate(() => session.refuse(this)); // when the exchange has finished sending: it is in the midst of it
      return;
    }
    this.open(session.nextId(this), session.sender.initialWindow);
    this.#methodId = fields.methodId;
    const { sender } = this;
    const { encoder } = sender;
    const at = sender.begin(FRAME.HEADERS, FLAG.END_HEADERS, this.id, 0);
    const authority = authorityOf(fields, extra);
    if (this.#isWebSocket) {
      const key = fields.findName('sec-websocket-key');
      this.#webSocketKey = key < 0 ? '' : fields.value(key);
      dropNamed(fields, 'sec-websocket-key');
      encoder.request(sender.out, 'CONNECT', session.scheme, authority, path, 'websocket');
    } else encoder.request(sender.out, method, session.scheme, authority, path, '');
    encoder.fields(sender.out, fields);
    encoder.lines(sender.out, extra);
    if (framing === FRAMING.LENGTH) encoder.field(sender.out, 'content-length', `${length}`);
    const te = fields.find(FIELD.TE);
    if (te >= 0 && /(?:^|[, \t])trailers/i.test(fields.value(te))) encoder.field(sender.out, 'te', 'trailers');
    sender.endHeaders(this, at);
    sender.schedule();
  }

  chunk(chunk: Buffer, from: number, to: number): boolean {
    return this.id === 0 || this.isOrphan || this.sender.data(this, chunk, from, to);
  }

  end(trailers: Fields | null): void {
    // The last word of a WebSocket's head is not the last of its tunnel.
    if (this.id === 0 || this.isOrphan || (this.#isWebSocket && !this.#hasFinalHead)) return;
    this.hasEnded = true;
    this.sender.end(this, trailers);
  }

  abort(): void {
    this.#user = null;
    this.#session.cancel(this);
  }

  flush(): void {
    this.sender.schedule();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused || this.isClosed) return;
    const user = this.#user;
    this.takeUp();
    user?.flush();
  }

  expectWithin(ms: number): void {
    const { wheel } = this.#session.plane;
    this.#withinMs = ms;
    if (ms > 0) wheel.armIn(this, ms);
    else wheel.disarm(this);
  }

  release(): void {
    this.#user = null;
    this.#session.cancel(this);
  }

  tunnel(): void {}

  /** What was handed over was copied. */
  get isFlushed(): boolean {
    return true;
  }

  override onDeadline(): void {
    this.#session.noteSilence(this.#withinMs);
    this.#user?.onUpstreamTimeout();
  }

  // ── from the endpoint ────────────────────────────────────────────────────────────────────────────────────────────

  /** False: the endpoint broke HTTP. */
  onHeaders(block: HeaderBlock, isWholeBlock: boolean, isEnd: boolean): boolean {
    if (!isWholeBlock) return false;
    if (this.#hasFinalHead) return this.#onTrailers(block, isEnd);
    const head = this.#response;
    if (readResponse(block, head, this.#methodId, !isEnd) !== NO_FAULT) return false;
    if (head.status < 200) {
      if (isEnd) return false;
      this.#user?.onResponseHead(head);
      return true;
    }
    this.#hasFinalHead = true;
    this.isRemoteEnded = isEnd;
    this.#expected = isEnd || head.framing === FRAMING.NONE ? 0 : head.framing === FRAMING.LENGTH ? head.length : -1;
    if (isEnd && head.framing === FRAMING.LENGTH && head.length > 0) return false;
    if (this.#isWebSocket && head.status < 300) this.#switchProtocols(head);
    this.#user?.onResponseHead(head);
    if (isEnd && !this.isClosed) this.deliverEnd();
    return true;
  }

  /** To an exchange a WebSocket is an upgrade, whatever carries it. */
  #switchProtocols(head: ResponseHead): void {
    head.status = 101;
    head.upgrade = 'websocket';
    head.framing = FRAMING.NONE;
    this.#expected = -1;
    if (this.#webSocketKey === '') return;
    addLine(head, 'Sec-WebSocket-Accept', webSocketProof(this.#webSocketKey));
  }

  #onTrailers(block: HeaderBlock, isEnd: boolean): boolean {
    this.#trailers ??= new Fields(USUAL_LINES);
    if (!isEnd || readTrailers(block, this.#trailers) !== NO_FAULT) return false;
    this.deliverEnd();
    return true;
  }

  protected onBody(chunk: Buffer, from: number, to: number): void {
    if (!this.#hasFinalHead) return this.#session.resetStream(this, H2_ERROR.PROTOCOL_ERROR);
    if (this.#expected >= 0) {
      this.#expected -= to - from;
      if (this.#expected < 0) return this.#session.resetStream(this, H2_ERROR.PROTOCOL_ERROR);
    }
    this.#session.touch(this);
    this.#user?.onResponseChunk(chunk, from, to);
  }

  protected onBodyEnd(): void {
    if (!this.#hasFinalHead || this.#expected > 0) return this.#session.resetStream(this, H2_ERROR.PROTOCOL_ERROR);
    const trailers = this.#trailers;
    this.#user?.onResponseEnd(trailers !== null && trailers.count > 0 ? trailers : null);
  }

  /** See isOrphan. What is left of the request goes nowhere. */
  orphan(): void {
    this.isOrphan = true;
    const wasWaiting = this.pendingBytes > 0;
    this.dropPending();
    if (wasWaiting) this.#user?.onUpstreamDrain();
  }

  /** The stream or its connection is gone before the answer was whole. */
  lost(brokeHttp: boolean): void {
    const user = this.#user;
    this.#user = null;
    user?.onUpstreamLost(brokeHttp);
  }

  /** The endpoint has not looked at the request. */
  refused(): void {
    const user = this.#user;
    this.#user = null;
    user?.onUpstreamRefused();
  }

  flushUser(): void {
    this.#user?.flush();
  }

  // ── from the sender ──────────────────────────────────────────────────────────────────────────────────────────────

  onSent(): void {
    this.#user?.onUpstreamDrain();
  }

  onEnded(): void {}

  close(): void {
    this.forget();
    this.#session.plane.wheel.drop(this);
  }
}

/** What the Host line says that would go to an HTTP/1.1 endpoint: ours, which stands first, or the client's. */
function authorityOf(fields: RequestHead, extra: string): string {
  if (extra.startsWith('Host: ')) return extra.slice(6, extra.indexOf('\r'));
  return fields.authority;
}
