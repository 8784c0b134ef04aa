// One client request and its attempts. This file is the way of a request from its head to a connection: guard, route,
// select, acquire, send. What comes back is response.ts; what is written down at the end is settle.ts. An exchange belongs
// to its client connection and is used again for the next request; it never asks which protocol is on either side.
//
//   begin ─▶ (answered here) ─▶ done
//     └───▶ attempt ─▶ waiting for a connection ─▶ sent ─▶ head ─▶ body ─▶ done        a retryable failure ─▶ attempt
//                                                       └─▶ tunnel ─▶ done

import { deposit } from '../core/budget.ts';
import { clientOf } from '../core/ip.ts';
import { CELL, METHODS, OUTCOME, type Outcome } from '../core/lane.ts';
import { NONE } from '../core/snapshot.ts';
import type { Fields } from '../wire/fields.ts';
import { FIELD } from '../wire/fields.ts';
import { dropNominated } from '../wire/framing.ts';
import type { RequestHead } from '../wire/request.ts';
import type { ResponseHead } from '../wire/response.ts';
import { CONNECT_PROBLEM, PROBLEM, type Problem, renderProblem, wantsJson } from './errors.ts';
import type { Generation, PoolRuntime, RouteRuntime } from './generation.ts';
import { fillLocation, isLastHop, isProblem, reflect, refusalOf, routeOf, stripped } from './guard.ts';
import { joined, peerLines, planRequest } from './headers.ts';
import type { Plane } from './plane.ts';
import { Replay } from './replay.ts';
import * as response from './response.ts';
import { mayRetry, RETRY_CAUSE, RETRY_RESULT, type RetryCause } from './retry.ts';
import { Books, closeBooks, settleAttempt } from './settle.ts';
import { CONNECT_FAILURE, type ConnectFailure, type Downstream, type Upstream, type UpstreamEvents } from './sides.ts';
import { ACQUIRED } from './upstreams.ts';
import { NEVER, Timed } from './wheel.ts';

export const STATE = { IDLE: 0, WAITING: 1, SENT: 2, ANSWERING: 3, TUNNEL: 4 } as const;
export type State = (typeof STATE)[keyof typeof STATE];

export class Exchange extends Timed implements UpstreamEvents {
  readonly plane: Plane;
  readonly down: Downstream;
  /** The lines about the peer that all its requests share. */
  readonly #constant: string;
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
  #path = '';
  #extra = '';
  #fresh = false;
  #totalAtMs = NEVER;

  constructor(plane: Plane, down: Downstream) {
    super();
    this.plane = plane;
    this.down = down;
    this.#constant = peerLines(down.peer);
  }

  // ── what the client's side tells ─────────────────────────────────────────────────────────────────────────────────

  begin(head: RequestHead, hasBody: boolean, nowMs: number): void {
    this.#reset(head, hasBody, nowMs);
    const { plane, generation } = this;
    const refusal = refusalOf(head, plane.loopId, generation.snapshot.limits.bodyBytes);
    if (refusal !== null) return this.refuse(refusal);
    const route = routeOf(generation, head, this.down.peer.listener);
    if (isProblem(route)) return this.refuse(route);
    this.route = route;
    if (route.spec.respond !== null) return this.#respond(route);
    if (isLastHop(head)) return this.#answerLastHop();
    this.pool = route.pool!;
    deposit(this.pool.budget, nowMs);
    const path = route.spec.stripPrefix ? stripped(head.path, route.spec.path) : head.path;
    if (path === null) return this.refuse(PROBLEM.ambiguousPath);
    this.#path = path;
    this.books.cohort = plane.locator.cohortOf(this.#clientAddress());
    if (head.upgrade !== '' && head.upgrade.toLowerCase() !== 'websocket') head.upgrade = ''; // others are dropped, not passed on
    this.#extra = planRequest(head, this.down.peer, this.#constant, plane.loopLine, route);
    this.owes100 = head.expectContinue && head.minor === 1 && hasBody;
    const { totalMs } = this.pool.spec.timeouts;
    if (totalMs > 0) this.#totalAtMs = nowMs + totalMs;
    this.attempt();
  }

  onRequestChunk(chunk: Buffer, from: number, to: number): void {
    if (this.state === STATE.IDLE) return;
    if (this.state === STATE.TUNNEL) return response.tunnelFromClient(this, chunk, from, to);
    this.bodyBytes += to - from;
    const limit = this.generation.snapshot.limits.bodyBytes;
    if (limit > 0 && this.bodyBytes > limit) return this.onRequestBroken(PROBLEM.bodyTooLarge);
    const isSent = this.state !== STATE.WAITING;
    this.replay.add(chunk, from, to, isSent);
    if (!isSent) return this.down.pause();
    if (!this.up!.chunk(chunk, from, to)) this.down.pause();
    else if (!this.hasAnswered) this.up!.expectWithin(this.pool!.spec.timeouts.firstByteMs);
  }

  onRequestEnd(trailers: Fields | null): void {
    if (this.state === STATE.IDLE) return;
    this.isRequestRead = true;
    this.trailers = trailers;
    if (trailers !== null) dropNominated(trailers, this.head);
    if (this.state === STATE.WAITING) return;
    this.up!.end(trailers);
    this.books.sentMs = this.plane.clock();
    if (!this.hasAnswered) this.up!.expectWithin(this.pool!.spec.timeouts.firstByteMs);
  }

  /** The request broke off in a way the client shall be told: bad framing, too large, too slow. */
  onRequestBroken(problem: Problem): void {
    this.#dropAttempt(OUTCOME.CLIENT_GONE);
    this.refuse(problem);
  }

  /** Never counts against the endpoint, or one client could eject them all. */
  onClientGone(): void {
    if (this.state === STATE.IDLE) return;
    this.#dropAttempt(OUTCOME.CLIENT_GONE);
    if (!this.hasAnswered) this.books.status = 499;
    this.finish();
  }

  onDownstreamDrain(): void {
    if (this.state < STATE.ANSWERING) return;
    this.up?.resume();
    this.up?.expectWithin(this.idleMs);
  }

  // ── attempts ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Chooses an endpoint and asks for a connection to it. */
  attempt(): void {
    const { plane } = this;
    const pool = this.pool!;
    const ctx = plane.pick;
    const { nowMs } = plane.wheel;
    ctx.nowMs = nowMs;
    if (this.triedCount > 0) ctx.tried.set(this.tried);
    ctx.triedCount = this.triedCount;
    ctx.mayExplore = this.attempts === 0 && pool.retryMethods.has(this.head.method);
    const { selector } = this.generation;
    const slot = this.#fresh ? this.slot : selector.pick(pool.index, ctx);
    if (slot === NONE) return this.refuse(this.books.lastProblem ?? PROBLEM.noEndpoint);
    if (!this.#fresh) this.attempts++;
    this.slot = slot;
    this.state = STATE.WAITING;
    const group = plane.upstreams.at(slot);
    this.books.beginAttempt(this, group.spec, selector.role, nowMs);
    const acquired = group.acquire(this, this.#fresh);
    if (acquired === ACQUIRED.FULL)
      return this.#attemptFailed(OUTCOME.CLIENT_GONE, PROBLEM.overload, RETRY_CAUSE.CONNECT);
    if (acquired === ACQUIRED.QUEUED) this.#armUntil(nowMs + pool.spec.queueTimeoutMs);
    else if (this.#totalAtMs !== NEVER) this.#armUntil(NEVER);
  }

  onConnecting(upstream: Upstream): void {
    this.up = upstream;
  }

  onUpstreamReady(upstream: Upstream): void {
    this.up = upstream;
    this.state = STATE.SENT;
    this.#fresh = false;
    this.#armUntil(NEVER);
    const { head, books } = this;
    books.isReused = upstream.isReused;
    books.connectMs = upstream.connectMs;
    upstream.connectMs = -1;
    upstream.head(head.method, this.#path, head, this.#hostLine() + this.#extra, head.framing, head.length);
    upstream.expectWithin(this.pool!.spec.timeouts.firstByteMs);
    const hasRoom = this.replay.send(upstream);
    if (this.isRequestRead) {
      upstream.end(this.trailers);
      books.sentMs = this.plane.clock();
    } else {
      books.sentMs = this.plane.clock();
      upstream.flush();
      if (this.owes100) this.#armUntil(books.sentMs + PATIENCE_100_MS);
      if (hasRoom) this.down.resume();
    }
  }

  onConnectFailed(reason: ConnectFailure): void {
    this.up = null;
    const outcome = reason === CONNECT_FAILURE.TIMEOUT ? OUTCOME.TIMEOUT : OUTCOME.CONNECT_FAILED;
    this.#attemptFailed(outcome, CONNECT_PROBLEM[reason]!, RETRY_CAUSE.CONNECT);
  }

  onUpstreamLost(brokeHttp: boolean): void {
    const wasReused = this.up?.isReused === true;
    this.up = null;
    if (this.state === STATE.TUNNEL) {
      this.down.end(null);
      return this.finish();
    }
    if (brokeHttp) return this.#attemptFailed(OUTCOME.BAD_RESPONSE, PROBLEM.badResponse, RETRY_CAUSE.NEVER);
    // The endpoint closed a pooled connection as we took it: a coincidence, not its failure.
    const isStale = wasReused && !this.hasAnswered && !this.books.sawBytes;
    this.#attemptFailed(OUTCOME.RESET, PROBLEM.reset, isStale ? RETRY_CAUSE.STALE : RETRY_CAUSE.RESET);
  }

  onUpstreamTimeout(): void {
    this.up?.abort();
    this.up = null;
    if (this.state === STATE.TUNNEL) {
      this.down.end(null);
      return this.finish();
    }
    this.#attemptFailed(OUTCOME.TIMEOUT, PROBLEM.responseTimeout, RETRY_CAUSE.TIMEOUT);
  }

  /** The endpoint answered with a status that is tried again elsewhere. */
  retryStatus(status: number): boolean {
    if (!mayRetry(this, RETRY_CAUSE.STATUS)) return false;
    this.up?.abort();
    this.up = null;
    settleAttempt(this, OUTCOME.STATUS_5XX, status);
    this.#again(false);
    return true;
  }

  #attemptFailed(outcome: Outcome, problem: Problem, cause: RetryCause): void {
    const isStale = cause === RETRY_CAUSE.STALE && !this.books.wasStale;
    settleAttempt(this, isStale ? OUTCOME.CLIENT_GONE : outcome, 0);
    this.books.lastProblem = problem;
    if (mayRetry(this, cause)) return this.#again(isStale);
    if (this.attempts > 1) this.plane.lane.count(CELL.RETRIES, this.pool!.spec.uid, RETRY_RESULT.FAILURE, 0);
    this.refuse(problem);
  }

  /** Elsewhere, or, after a stale connection, at the same endpoint over a new one. */
  #again(isStale: boolean): void {
    this.#fresh = isStale;
    if (isStale) this.books.wasStale = true;
    else if (this.triedCount < this.tried.length) this.tried[this.triedCount++] = this.slot;
    this.attempt();
  }

  /** Lets go of whatever endpoint the exchange is bound to. */
  #dropAttempt(outcome: Outcome): void {
    if (this.slot === NONE) return;
    if (this.up !== null) this.up.abort();
    else if (this.state === STATE.WAITING) this.plane.upstreams.at(this.slot).cancel(this);
    this.up = null;
    settleAttempt(this, outcome, 0);
  }

  // ── what the endpoint's side tells: response.ts ──────────────────────────────────────────────────────────────────

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

  /** The endpoint answered, but with something that HTTP does not allow here. */
  badResponse(): void {
    this.up?.abort();
    this.up = null;
    this.#attemptFailed(OUTCOME.BAD_RESPONSE, PROBLEM.badResponse, RETRY_CAUSE.NEVER);
  }

  /** Nothing of the response waits to be written, so what it was read into may be read into again. */
  get isDownstreamFlushed(): boolean {
    return this.down.isFlushed;
  }

  /** The same of the request. */
  get isUpstreamFlushed(): boolean {
    return this.up === null || this.up.isFlushed;
  }

  flush(): void {
    if (this.state === STATE.IDLE) return;
    this.down.flush();
    if (this.state >= STATE.SENT) this.up?.flush();
  }

  // ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Answers with a problem, or cuts what has already begun. */
  refuse(problem: Problem): void {
    if (this.hasAnswered) {
      this.finish();
      return this.down.abort();
    }
    const { fields, body } = renderProblem(problem, wantsJson(this.head));
    this.#reply(problem.status, fields, body);
  }

  #respond(route: RouteRuntime): void {
    const respond = route.spec.respond!;
    const location = respond.location === null ? '' : `Location: ${fillLocation(respond.location, this.head)}\r\n`;
    const type = route.respondBody === '' ? '' : 'Content-Type: text/plain; charset=utf-8\r\n';
    this.#reply(respond.status, `${location}${type}${route.responseLines}`, route.respondBody);
  }

  #answerLastHop(): void {
    if (this.head.methodId === 7) return this.#reply(200, `Allow: ${METHODS.slice(1, 9).join(', ')}\r\n`, '');
    this.#reply(200, 'Content-Type: message/http\r\n', reflect(this.head));
  }

  #reply(status: number, fields: string, body: string): void {
    this.hasAnswered = true;
    this.books.status = status;
    this.books.responseBytes = body.length;
    this.finish();
    this.down.reply(status, fields, body);
  }

  /** The exchange is over: its books are closed exactly once, before the client's side may begin the next. */
  finish(): void {
    if (this.state === STATE.IDLE) return;
    this.state = STATE.IDLE;
    this.plane.wheel.drop(this);
    closeBooks(this);
    this.up = null;
    this.replay.clear();
    this.plane.leave(this.generation);
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #armUntil(atMs: number): void {
    this.plane.wheel.arm(this, Math.min(atMs, this.#totalAtMs));
  }

  override onDeadline(nowMs: number): void {
    if (this.state === STATE.IDLE || this.state === STATE.TUNNEL) return;
    if (nowMs >= this.#totalAtMs) {
      this.#dropAttempt(OUTCOME.TIMEOUT);
      this.refuse(PROBLEM.responseTimeout);
    } else if (this.state === STATE.WAITING) {
      this.plane.upstreams.at(this.slot).cancel(this);
      this.#attemptFailed(OUTCOME.CLIENT_GONE, PROBLEM.overload, RETRY_CAUSE.CONNECT);
    } else if (this.owes100) {
      this.owes100 = false; // the endpoint says nothing: the client must not wait for ever (RFC 9110, 10.1.1)
      this.down.interim(null, 100);
      this.#armUntil(NEVER);
    }
  }

  // ── small things ─────────────────────────────────────────────────────────────────────────────────────────────────

  #reset(head: RequestHead, hasBody: boolean, nowMs: number): void {
    this.state = STATE.WAITING;
    this.head = head;
    this.generation = this.plane.enter();
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
    this.#fresh = false;
    this.#totalAtMs = NEVER;
    this.books.reset(nowMs);
  }

  #clientAddress(): string {
    const { peer } = this.down;
    if (!peer.isTrusted) return peer.address;
    const value = joined(this.head, FIELD.X_FORWARDED_FOR);
    return value === '' ? peer.address : clientOf(value, peer.address, this.generation.trusted);
  }

  /** Host, where it is not the client's own line that passes on. */
  #hostLine(): string {
    const { hostHeader } = this.route!.spec;
    const { head } = this;
    if (hostHeader.kind === 'preserve' && !head.isAbsolute && head.authority !== '') return '';
    const at = head.find(FIELD.HOST);
    if (at >= 0) head.drop[at] = 1;
    if (hostHeader.kind === 'literal') return `Host: ${hostHeader.value}\r\n`;
    const authority =
      hostHeader.kind === 'preserve' && head.authority !== '' ? head.authority : this.books.endpoint!.authority;
    return `Host: ${authority}\r\n`;
  }
}

/** How long the endpoint may keep a client waiting for `100 Continue` before Fermat says it, ms. */
const PATIENCE_100_MS = 1000;
