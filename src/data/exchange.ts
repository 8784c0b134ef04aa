// One client request: what there is to know about it, and who is told what happens to it. On its way it is guarded and routed
// (guard.ts), sent (attempt.ts) and answered (response.ts), and at the end written down (settle.ts). An exchange belongs to its
// client connection and is used again for the next request; it never asks which protocol is on either side.
//
//   begin ─▶ (answered here) ─▶ done
//     └───▶ attempt ─▶ waiting for a connection ─▶ sent ─▶ head ─▶ body ─▶ done        a retryable failure ─▶ attempt
//                                                       └─▶ tunnel ─▶ done

import { OUTCOME } from '../core/sample.ts';
import { NONE } from '../core/snapshot.ts';
import type { TraceRecord } from '../core/trace-spans.ts';
import type { Fields } from '../wire/fields.ts';
import type { ProxyEnds } from '../wire/proxy.ts';
import type { RequestHead } from '../wire/request.ts';
import type { ResponseHead } from '../wire/response.ts';
import type { Noted } from './access/noted.ts';
import { cutOff, tellProblem } from './answers.ts';
import * as attempt from './attempt.ts';
import type { Coder } from './compress/coder.ts';
import { endCoding } from './compress.ts';
import type { Problem } from './errors.ts';
import type { Generation, PoolRuntime, RouteRuntime } from './generation.ts';
import { RequestPlan } from './headers.ts';
import { HEDGED, type Hedge, type Hedged } from './hedge.ts';
import { BOUND, type Bound } from './locality.ts';
import { Whereabouts } from './locate.ts';
import type { Plane } from './plane.ts';
import { Replay } from './replay.ts';
import * as request from './request.ts';
import { reset } from './reset.ts';
import * as response from './response.ts';
import { Books, closeBooks, ENDING } from './settle.ts';
import type { ConnectFailure, Downstream, Upstream, UpstreamEvents } from './sides.ts';
import type { Tunnel } from './tunnel.ts';
import { NEVER, Timed } from './wheel.ts';

export const STATE = { IDLE: 0, WAITING: 1, SENT: 2, ANSWERING: 3, TUNNEL: 4 } as const;
export type State = (typeof STATE)[keyof typeof STATE];

export class Exchange extends Timed implements UpstreamEvents {
  readonly plane: Plane;
  readonly down: Downstream;
  readonly plan: RequestPlan;
  readonly whereabouts = new Whereabouts();
  state: State = STATE.IDLE;
  head!: RequestHead;
  generation!: Generation;
  route: RouteRuntime | null = null;
  pool: PoolRuntime | null = null;
  up: Upstream | null = null;
  slot = NONE;
  /** Attempts begun one after the other; stale pooled connections do not count. */
  attempts = 0;
  /** Between two attempts. */
  isResting = false;
  hedged: Hedged = HEDGED.NOT;
  /** Made by the first one that was due; then kept for the next. */
  hedge: Hedge | null = null;
  readonly tried = new Int32Array(8);
  triedCount = 0;
  /** The client has been sent (part of) a final head. */
  hasAnswered = false;
  /** The endpoint's final head; valid until its connection is released. */
  answer: ResponseHead | null = null;
  /** What the body goes through on its way to the client; null = nothing. */
  coder: Coder | null = null;
  /** What it has become after a 101. */
  tunnel: Tunnel | null = null;
  /** The whole request has been read. */
  isRequestRead = false;
  trailers: Fields | null = null;
  readonly replay = new Replay();
  bodyBytes = 0;
  /** How long the endpoint may be silent in mid-body (or the tunnel as a whole), ms; 0 = for ever. */
  idleMs = 0;
  /** The client waits for a 100 that has not come yet. */
  owes100 = false;
  readonly books = new Books();
  /** What the endpoint is asked for, and the lines of ours it gets beside the client's. */
  path = '';
  /** What it is hashed by, when its pool hashes; 0 = nothing. */
  hash = 0;
  extra = '';
  /** The last attempt met a stale pooled connection: the same endpoint again, over a new one. */
  needsNewConnection = false;
  /** When the whole exchange must be over. */
  totalAtMs = NEVER;
  /** What it is counted in (admission.ts), and the key of its client there. */
  ticket = 0;
  clientKey = 0;
  keyedAddress = '';
  /** The row that it is picked from, and how it is bound to it (locality.ts). */
  row = NONE;
  bound: Bound = BOUND.FREE;
  /** What the client is told of the limits on its rate; whole lines. */
  limitLines = '';
  /** A gRPC call: what goes wrong is told in gRPC's terms. */
  isCall = false;
  /** When its client will have lost patience (grpc-timeout). */
  deadlineAtMs = NEVER;
  /** What is noted of it for its trace (tracing.ts); null = it has none. */
  trace: TraceRecord | null = null;

  /** What the lines of its connection in the access log have in common; made by the first. */
  noted: Noted | null = null;

  constructor(plane: Plane, down: Downstream) {
    super();
    this.plane = plane;
    this.down = down;
    this.plan = new RequestPlan(down.peer, plane.loopLine);
  }

  // ── what the client's side tells ─────────────────────────────────────────────────────────────────────────────────

  begin(head: RequestHead, hasBody: boolean, nowMs: number): void {
    reset(this, head, hasBody, nowMs);
    request.begin(this, nowMs);
  }

  onRequestChunk(chunk: Buffer, from: number, to: number): void {
    if (this.state === STATE.TUNNEL) response.tunnelFromClient(this, chunk, from, to);
    else if (this.state !== STATE.IDLE) request.chunk(this, chunk, from, to);
  }

  onRequestEnd(trailers: Fields | null): void {
    if (this.state !== STATE.IDLE) request.end(this, trailers);
  }

  /** The request broke off in a way the client shall be told: bad framing, too large, too slow. */
  onRequestBroken(problem: Problem): void {
    attempt.drop(this, OUTCOME.CLIENT_GONE);
    this.refuse(problem);
  }

  /** Never counts against the endpoint, or one client could eject them all. */
  onClientGone(): void {
    if (this.state === STATE.IDLE) return;
    attempt.drop(this, OUTCOME.CLIENT_GONE);
    if (!this.hasAnswered) this.books.status = 499;
    this.books.ending = ENDING.CLIENT_GONE;
    this.finish();
  }

  onDownstreamDrain(): void {
    if (this.state < STATE.ANSWERING) return;
    if (this.coder !== null) return this.coder.resume();
    this.books.goOn(this.plane.wheel.nowMs);
    this.up?.expectWithin(this.idleMs);
    this.up?.resume(); // last: it may bring the end at once, and the next request
  }

  // ── what the endpoint's side tells: of the connection, attempt.ts; of the answer, response.ts ────────────────────

  onConnecting(upstream: Upstream): void {
    this.up = upstream;
    if (this.books.span !== null) this.books.span.connectingMs = this.plane.clock();
    this.armUntil(NEVER); // the queue's time does not run any more
  }

  onQueued(): void {
    if (this.books.span !== null) this.books.span.queuedMs = this.plane.clock();
    this.armUntil(this.plane.wheel.nowMs + this.pool!.spec.queueTimeoutMs);
  }

  onUpstreamReady(upstream: Upstream): void {
    attempt.send(this, upstream);
  }

  onConnectFailed(reason: ConnectFailure): void {
    attempt.connectFailed(this, reason);
  }

  onUpstreamLost(brokeHttp: boolean): void {
    attempt.lost(this, brokeHttp);
  }

  onUpstreamRefused(): void {
    attempt.refused(this);
  }

  onUpstreamTimeout(): void {
    attempt.timedOut(this);
  }

  onResponseHead(head: ResponseHead): void {
    response.head(this, head);
  }

  onResponseChunk(chunk: Buffer, from: number, to: number): void {
    response.chunk(this, chunk, from, to);
  }

  onResponseEnd(trailers: Fields | null): void {
    response.end(this, trailers);
  }

  onUpstreamDrain(): void {
    this.down.resume();
  }

  onTunnelFin(): void {
    response.tunnelFin(this);
  }

  /** Nothing of the response waits to be written, so what it was read into may be read into again. */
  get isDownstreamFlushed(): boolean {
    return this.down.isFlushed;
  }

  /** The same of the request. */
  get isUpstreamFlushed(): boolean {
    return this.up === null || this.up.isFlushed;
  }

  clientEnds(): ProxyEnds | null {
    return request.clientEnds(this);
  }

  flush(): void {
    if (this.state === STATE.IDLE) return;
    if (this.coder === null) this.down.flush();
    else this.coder.flush();
    if (this.state >= STATE.SENT) this.up?.flush();
  }

  // ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Answers with a problem, or cuts what has already begun. */
  refuse(problem: Problem): void {
    const isCut = this.hasAnswered && this.coder?.holdsHead !== true;
    this.books.ending = isCut ? ENDING.CUT : ENDING.REFUSED;
    this.books.problem = problem;
    if (isCut) cutOff(this, problem);
    else tellProblem(this, problem);
  }

  /** A whole answer of our own. `fields`: whole lines; `body`: latin1. `shown`: the status of the head, if not the one that counts. */
  reply(status: number, fields: string, body: string, shown: number = status): void {
    this.hasAnswered = true;
    this.books.status = status;
    this.books.responseBytes = body.length;
    this.finish();
    this.down.reply(shown, fields, body);
  }

  /** The exchange is over: its books are closed exactly once, before the client's side may begin the next. */
  finish(): void {
    if (this.state === STATE.IDLE) return;
    this.state = STATE.IDLE;
    this.plane.wheel.drop(this);
    if (this.hedge !== null) this.hedge.drop(false);
    if (this.coder !== null) endCoding(this, this.coder);
    if (this.tunnel !== null) this.plane.tunnels.delete(this.tunnel);
    this.tunnel = null;
    closeBooks(this);
    if (this.ticket !== 0) this.plane.admission.leave(this);
    this.up = null;
    this.replay.clear();
    this.plane.leave(this.generation);
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Due at `atMs`, or when the whole time is up. */
  armUntil(atMs: number): void {
    this.plane.wheel.arm(this, Math.min(atMs, this.totalAtMs));
  }

  override onDeadline(nowMs: number): void {
    if (this.state !== STATE.IDLE && this.state !== STATE.TUNNEL) attempt.due(this, nowMs);
  }
}
