// One client request: what there is to know about it, and who is told what happens to it. On its way it is guarded and routed
// (guard.ts), sent (attempt.ts) and answered (response.ts), and at the end written down (settle.ts). An exchange belongs to its
// client connection and is used again for the next request; it never asks which protocol is on either side.
//
//   begin ─▶ (answered here) ─▶ done
//     └───▶ attempt ─▶ waiting for a connection ─▶ sent ─▶ head ─▶ body ─▶ done        a retryable failure ─▶ attempt
//                                                       └─▶ tunnel ─▶ done

import { deposit } from '../core/budget.ts';
import { clientOf } from '../core/ip.ts';
import { OUTCOME } from '../core/lane.ts';
import { NONE } from '../core/snapshot.ts';
import { FIELD, type Fields } from '../wire/fields.ts';
import { dropNominated } from '../wire/framing.ts';
import type { ProxyEnds } from '../wire/proxy.ts';
import type { RequestHead } from '../wire/request.ts';
import type { ResponseHead } from '../wire/response.ts';
import { answerLastHop, respondOf } from './answers.ts';
import * as attempt from './attempt.ts';
import type { Coder } from './compress/coder.ts';
import { PROBLEM, type Problem, renderProblem, wantsJson } from './errors.ts';
import type { Generation, PoolRuntime, RouteRuntime } from './generation.ts';
import { isCall, isGrpc, renderCallProblem, timeoutMsOf, trailersOf } from './grpc.ts';
import { isLastHop, isProblem, refusalOf, routeOf, stripped } from './guard.ts';
import { joined, RequestPlan } from './headers.ts';
import { Whereabouts } from './locate.ts';
import type { Plane } from './plane.ts';
import { redirect } from './redirect.ts';
import { Replay } from './replay.ts';
import * as response from './response.ts';
import { Books, closeBooks } from './settle.ts';
import type { ConnectFailure, Downstream, Upstream, UpstreamEvents } from './sides.ts';
import { hashKeyOf } from './sticky.ts';
import { NEVER, Timed } from './wheel.ts';

export const STATE = { IDLE: 0, WAITING: 1, SENT: 2, ANSWERING: 3, TUNNEL: 4 } as const;
export type State = (typeof STATE)[keyof typeof STATE];

export class Exchange extends Timed implements UpstreamEvents {
  readonly plane: Plane;
  readonly down: Downstream;
  readonly #plan: RequestPlan;
  readonly #whereabouts = new Whereabouts();
  state: State = STATE.IDLE;
  head!: RequestHead;
  generation!: Generation;
  route: RouteRuntime | null = null;
  pool: PoolRuntime | null = null;
  up: Upstream | null = null;
  slot = NONE;
  /** Attempts begun; stale pooled connections do not count. */
  attempts = 0;
  readonly tried = new Int32Array(8);
  triedCount = 0;
  /** The client has been sent (part of) a final head. */
  hasAnswered = false;
  /** The endpoint's final head; valid until its connection is released. */
  answer: ResponseHead | null = null;
  /** What the body goes through on its way to the client; null = nothing. */
  coder: Coder | null = null;
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
  /** A gRPC call: what goes wrong is told in gRPC's terms. */
  isCall = false;
  /** When its client will have lost patience (grpc-timeout). */
  deadlineAtMs = NEVER;

  constructor(plane: Plane, down: Downstream) {
    super();
    this.plane = plane;
    this.down = down;
    this.#plan = new RequestPlan(down.peer, plane.loopLine);
  }

  // ── what the client's side tells ─────────────────────────────────────────────────────────────────────────────────

  begin(head: RequestHead, hasBody: boolean, nowMs: number): void {
    this.#reset(head, hasBody, nowMs);
    const { plane, generation } = this;
    const refusal = refusalOf(head, plane.loopId, generation.snapshot.limits.bodyBytes, this.down.peer.tls);
    if (refusal !== null) return this.refuse(refusal);
    const route = routeOf(generation, head, this.down.peer.listener);
    if (isProblem(route)) return this.refuse(route);
    this.route = route;
    if (route.spec.respond !== null) return respondOf(this, route);
    if (isLastHop(head)) return answerLastHop(this);
    this.pool = route.pool!;
    const path = route.spec.stripPrefix ? stripped(head.path, route.spec.path) : head.path;
    if (path === null) return this.refuse(PROBLEM.ambiguousPath);
    this.path = path;
    const client = this.#clientAddress();
    if (route.spec.mode === 'redirect') return redirect(this, route, client);
    deposit(this.pool.budget, nowMs);
    this.books.place = plane.locator.placeOf(client, this.#whereabouts);
    const { hashOn } = this.pool.spec;
    this.hash = hashOn === null ? 0 : hashKeyOf(hashOn, head, client);
    if (head.upgrade !== '' && head.upgrade.toLowerCase() !== 'websocket') head.upgrade = ''; // others are dropped, not passed on
    this.extra = this.#plan.linesFor(head, route);
    this.owes100 = head.expectContinue && head.minor === 1 && hasBody;
    const { totalMs } = this.pool.spec.timeouts;
    if (totalMs > 0) this.totalAtMs = nowMs + totalMs;
    if (this.isCall) this.#keepDeadline(nowMs);
    attempt.begin(this);
  }

  onRequestChunk(chunk: Buffer, from: number, to: number): void {
    if (this.state === STATE.IDLE) return;
    if (this.state === STATE.TUNNEL) return response.tunnelFromClient(this, chunk, from, to);
    if (this.up === null && this.state === STATE.ANSWERING) return; // answered whole, and now being compressed
    this.bodyBytes += to - from;
    const limit = this.generation.snapshot.limits.bodyBytes;
    if (limit > 0 && this.bodyBytes > limit) return this.onRequestBroken(PROBLEM.bodyTooLarge);
    const isSent = this.state !== STATE.WAITING;
    this.replay.add(chunk, from, to, isSent);
    if (!isSent) return this.down.pause();
    const hasRoom = this.up!.chunk(chunk, from, to);
    if (!hasRoom) this.down.pause();
    // While the client takes its time the endpoint owes nothing; while the endpoint does not read, it does.
    if (!this.hasAnswered) this.up!.expectWithin(hasRoom ? 0 : this.pool!.spec.timeouts.firstByteMs);
  }

  onRequestEnd(trailers: Fields | null): void {
    if (this.state === STATE.IDLE) return;
    this.isRequestRead = true;
    this.trailers = trailers;
    if (trailers !== null) dropNominated(trailers, this.head);
    this.down.resume(); // nothing is left to hold back, and only a socket that is read sees its client go
    if (this.state === STATE.WAITING || this.up === null) return;
    this.up.end(trailers);
    this.books.sentMs = this.plane.clock();
    if (!this.hasAnswered) this.up.expectWithin(this.pool!.spec.timeouts.firstByteMs);
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
    this.finish();
  }

  onDownstreamDrain(): void {
    if (this.state < STATE.ANSWERING) return;
    if (this.coder !== null) return this.coder.resume();
    this.up?.expectWithin(this.idleMs);
    this.up?.resume(); // last: it may bring the end at once, and the next request
  }

  // ── what the endpoint's side tells: of the connection, attempt.ts; of the answer, response.ts ────────────────────

  onConnecting(upstream: Upstream): void {
    this.up = upstream;
    this.armUntil(NEVER); // the queue's time does not run any more
  }

  onQueued(): void {
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

  /** Behind a trusted proxy a client has an address, but no port that we know. */
  clientEnds(): ProxyEnds | null {
    const { address, port, localAddress, localPort } = this.down.peer;
    const source = this.#clientAddress();
    if (source === '' || localAddress === '') return null;
    const sourcePort = source === address ? port : 0;
    return { source, sourcePort, destination: localAddress, destinationPort: localPort };
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
    if (this.hasAnswered && this.coder?.holdsHead !== true) {
      const isTold = this.isCall && this.answer !== null && isGrpc(this.answer);
      this.finish();
      return isTold ? this.down.end(trailersOf(problem)) : this.down.abort();
    }
    if (this.isCall) return this.reply(problem.status, renderCallProblem(problem), '', 200);
    const { fields, body } = renderProblem(problem, wantsJson(this.head));
    this.reply(problem.status, fields, body);
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
    if (this.coder !== null) this.#endCoding(this.coder);
    closeBooks(this);
    this.up = null;
    this.replay.clear();
    this.plane.leave(this.generation);
  }

  /** The endpoint has given its whole answer, and is free; the client's end of it is still in the compressor. */
  awaitCoder(): void {
    if (this.state === STATE.IDLE) return;
    this.up = null;
    if (!this.isRequestRead) this.down.pause(); // nobody wants the rest of it
  }

  #endCoding(coder: Coder): void {
    if (!coder.holdsHead) this.books.responseBytes = coder.bytesOut;
    coder.drop();
    this.coder = null;
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Due at `atMs`, or when the whole time is up. */
  armUntil(atMs: number): void {
    this.plane.wheel.arm(this, Math.min(atMs, this.totalAtMs));
  }

  override onDeadline(nowMs: number): void {
    if (this.state === STATE.IDLE || this.state === STATE.TUNNEL) return;
    if (nowMs >= this.totalAtMs) {
      attempt.drop(this, this.totalAtMs === this.deadlineAtMs ? OUTCOME.CLIENT_GONE : OUTCOME.TIMEOUT);
      this.refuse(PROBLEM.responseTimeout);
    } else if (this.state === STATE.WAITING) {
      attempt.queuedTooLong(this);
    } else if (this.owes100) {
      this.owes100 = false; // the endpoint says nothing: the client must not wait for ever (RFC 9110, 10.1.1)
      this.down.interim(null, 100);
      this.armUntil(NEVER);
    }
  }

  // ── small things ─────────────────────────────────────────────────────────────────────────────────────────────────

  #reset(head: RequestHead, hasBody: boolean, nowMs: number): void {
    this.state = STATE.WAITING;
    this.head = head;
    const generation = this.plane.enter();
    // A reload may have changed who is trusted, also for connections that were there before.
    if (generation !== this.generation) this.down.peer.isTrusted = generation.trusted.has(this.down.peer.address);
    this.generation = generation;
    this.route = null;
    this.pool = null;
    this.up = null;
    this.slot = NONE;
    this.attempts = 0;
    this.triedCount = 0;
    this.hasAnswered = false;
    this.isRequestRead = !hasBody;
    this.trailers = null;
    this.bodyBytes = 0;
    this.owes100 = false;
    this.needsNewConnection = false;
    this.totalAtMs = NEVER;
    this.isCall = isCall(head);
    this.deadlineAtMs = NEVER;
    this.books.reset(nowMs);
  }

  /** The client's own time may be up before the route's. */
  #keepDeadline(nowMs: number): void {
    const ms = timeoutMsOf(this.head);
    if (ms < 0) return;
    this.deadlineAtMs = nowMs + ms;
    if (this.deadlineAtMs < this.totalAtMs) this.totalAtMs = this.deadlineAtMs;
  }

  #clientAddress(): string {
    const { peer } = this.down;
    if (!peer.isTrusted) return peer.address;
    const value = joined(this.head, FIELD.X_FORWARDED_FOR);
    return value === '' ? peer.address : clientOf(value, peer.address, this.generation.trusted);
  }
}
