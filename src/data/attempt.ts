// One attempt to have a request answered: an endpoint (choose.ts), a connection, sending; and what happens when that fails.
// Functions over the exchange: an attempt has no life of its own, its account is in Books and settled exactly once.

import { affords } from '../core/budget.ts';
import { SHED } from '../core/cells.ts';
import { OUTCOME, type Outcome } from '../core/sample.ts';
import { type EndpointSpec, NONE } from '../core/snapshot.ts';
import { MOST_TRIED } from './addresses.ts';
import { connectOutcomeOf, isWornOut } from './blame.ts';
import { choose } from './choose.ts';
import { CONNECT_PROBLEM, noEndpointOf, PROBLEM, type Problem } from './errors.ts';
import { type Exchange, STATE } from './exchange.ts';
import { endpointHostLine } from './headers.ts';
import * as hedge from './hedge.ts';
import { BOUND } from './locality.ts';
import { outcomeOfUnsent } from './overlay/serve.ts';
import {
  backOffMs,
  countRetry,
  mayRepeat,
  mayRetry,
  RETRY_CAUSE,
  RETRY_RESULT,
  type RetryCause,
  rest,
  rested,
} from './retry.ts';
import { type Books, outcomeOfStatus, settleAttempt } from './settle.ts';
import { ACQUIRED, CONNECT_FAILURE, type ConnectFailure, type Upstream } from './sides.ts';
import { traceLine } from './tracing.ts';
import { NEVER } from './wheel.ts';

/** How long the endpoint may keep a client waiting for `100 Continue` before Fermat says it, ms. */
const PATIENCE_100_MS = 1000;
/** Chooses an endpoint, unless `next` was chosen already, and asks for a connection to it. */
export function begin(ex: Exchange, next: number = NONE): void {
  const isAgain = ex.needsNewConnection;
  const slot = isAgain ? ex.slot : next === NONE ? choose(ex, ex.plane.wheel.nowMs) : next;
  if (slot === NONE) return giveUp(ex, ex.books.lastProblem ?? noEndpointFor(ex));
  beginAt(ex, slot, isAgain ? NONE : ex.generation.selector.role);
}

/** Asks for a connection to the endpoint in `slot`. `role`: what it was picked for; NONE = nothing was picked. */
export function beginAt(ex: Exchange, slot: number, role: number): void {
  const { generation, plane } = ex;
  const pool = ex.pool!;
  const { nowMs } = plane.wheel;
  const isAgain = ex.needsNewConnection;
  if (!isAgain) ex.attempts++;
  ex.slot = slot;
  ex.state = STATE.WAITING;
  const group = generation.groups[slot]!;
  ex.books.beginAttempt(ex, group.spec, role, nowMs);
  switch (group.acquire(ex, isAgain, ex.route!.rank)) {
    case ACQUIRED.FULL:
      return failed(ex, OUTCOME.CLIENT_GONE, PROBLEM.overload, RETRY_CAUSE.CONNECT);
    case ACQUIRED.QUEUED:
      if (ex.books.span !== null) ex.books.span.queuedMs = nowMs;
      return ex.armUntil(nowMs + pool.spec.queueTimeoutMs);
    case ACQUIRED.CONNECTING:
      return ex.armUntil(NEVER);
  }
}

/** Nobody can be picked: why. */
function noEndpointFor({ bound, route }: Exchange): Problem {
  return bound === BOUND.HARD ? PROBLEM.noEndpointAtPlace : noEndpointOf(route!.spec);
}

/** Another endpoint than the one that has answered, whatever the way to it. */
function elsewhere(ex: Exchange, answered: EndpointSpec, isMade: boolean): number {
  for (;;) {
    const next = choose(ex, ex.plane.wheel.nowMs, isMade);
    if (next === NONE || !isSame(ex.generation.groups[next]!.spec, answered)) return next;
    if (ex.triedCount === ex.tried.length) return NONE;
    ex.tried[ex.triedCount++] = next;
  }
}

function isSame(a: EndpointSpec, b: EndpointSpec): boolean {
  return (a.via?.endpoint ?? a.id) === (b.via?.endpoint ?? b.id);
}

/** The connection is there: the request goes out, as far as it has been read. */
export function send(ex: Exchange, upstream: Upstream): void {
  if (ex.state !== STATE.WAITING) return upstream.abort(); // the exchange ended meanwhile
  ex.up = upstream;
  ex.state = STATE.SENT;
  ex.needsNewConnection = false;
  ex.armUntil(NEVER);
  const hasRoom = sendTo(ex, upstream, ex.books);
  if (ex.isRequestRead) return awaitAnswer(ex, upstream);
  upstream.expectWithin(hasRoom ? 0 : ex.pool!.spec.timeouts.firstByteMs);
  upstream.flush();
  if (ex.owes100) ex.armUntil(ex.plane.wheel.nowMs + PATIENCE_100_MS);
  if (hasRoom) ex.down.resume();
}

/** Writes the request, as far as it has been read. False = the endpoint wants a pause. */
export function sendTo(ex: Exchange, upstream: Upstream, books: Books): boolean {
  const { head } = ex;
  books.isReused = upstream.isReused;
  books.connectMs = upstream.connectMs;
  upstream.connectMs = -1;
  const host = endpointHostLine(ex.route!.spec, head, books.endpoint!.authority);
  let lines = host + ex.extra;
  if (books.span !== null) {
    books.span.readyMs = ex.plane.clock();
    lines += traceLine(ex.trace!, books.span);
  }
  upstream.head(head.method, ex.path, head, lines, head.framing, head.length);
  const hasRoom = ex.replay.send(upstream);
  if (ex.isRequestRead) upstream.end(ex.trailers);
  books.sentMs = ex.plane.clock();
  return hasRoom;
}

/** The whole request is out: now the endpoint owes an answer. */
export function awaitAnswer(ex: Exchange, upstream: Upstream): void {
  const pool = ex.pool!;
  upstream.expectWithin(pool.spec.timeouts.firstByteMs);
  if (pool.hedging !== null) hedge.watch(ex);
}

/** The time is up: of the exchange as a whole, or of whatever it waits for. */
export function due(ex: Exchange, nowMs: number): void {
  if (nowMs >= ex.totalAtMs) {
    const isOurs = ex.totalAtMs === ex.deadlineAtMs || isWornOut(ex, ex.isUpstreamFlushed);
    drop(ex, isOurs ? OUTCOME.CLIENT_GONE : OUTCOME.TIMEOUT);
    ex.refuse(PROBLEM.responseTimeout);
  } else if (ex.state === STATE.WAITING) {
    if (ex.isResting) rested(ex);
    else queuedTooLong(ex);
  } else if (ex.state === STATE.SENT && ex.isRequestRead) {
    hedge.due(ex, nowMs);
  } else if (ex.owes100) {
    ex.owes100 = false; // the endpoint says nothing: the client must not wait for ever (RFC 9110, 10.1.1)
    ex.down.interim(null, 100);
    ex.armUntil(NEVER);
  }
}

// ── failures ───────────────────────────────────────────────────────────────────────────────────────────────────────

export function connectFailed(ex: Exchange, reason: ConnectFailure): void {
  ex.up = null;
  if (mayDetour(ex, reason)) {
    ex.books.detours++;
    if (ex.books.span !== null) ex.books.span.error = CONNECT_PROBLEM[reason]!.code;
    ex.needsNewConnection = true;
    settleAttempt(ex, OUTCOME.CLIENT_GONE, 0);
    return begin(ex);
  }
  ex.books.connectReason = reason + 1;
  failed(ex, connectOutcomeOf(reason), CONNECT_PROBLEM[reason]!, RETRY_CAUSE.CONNECT);
}

/** The edge that was to send the request on has not: it is as if nobody had been there. */
export function unsent(ex: Exchange, status: number): void {
  ex.up?.abort();
  ex.up = null;
  failed(ex, outcomeOfUnsent(status), PROBLEM.relayFailed, RETRY_CAUSE.CONNECT);
}

/**
 * Nothing has been sent, and the name of the endpoint leads to another address that is not known to be bad: the attempt goes on
 * there. After a refusal or a handshake that was cut short; who waited for a whole time-out has waited long enough.
 */
function mayDetour(ex: Exchange, reason: ConnectFailure): boolean {
  if (reason !== CONNECT_FAILURE.REFUSED && reason !== CONNECT_FAILURE.TLS) return false;
  if (ex.books.detours >= MOST_TRIED - 1 || !ex.replay.isWhole || ex.hedge?.isRacing === true) return false;
  return ex.plane.addresses.hasAnother(ex.books.endpoint!.host);
}

/** No connection came free in time: not the endpoint's failure, but another may have room. */
export function queuedTooLong(ex: Exchange): void {
  ex.generation.groups[ex.slot]!.cancel(ex);
  ex.up?.abort();
  ex.up = null;
  failed(ex, OUTCOME.CLIENT_GONE, PROBLEM.overload, RETRY_CAUSE.CONNECT);
}

/** The connection ended before the answer was whole. */
export function lost(ex: Exchange, brokeHttp: boolean): void {
  const wasReused = ex.up?.isReused === true;
  const isOurs = isWornOut(ex, ex.isUpstreamFlushed);
  ex.up = null;
  if (ex.state === STATE.TUNNEL) return endTunnel(ex);
  if (brokeHttp) return failed(ex, OUTCOME.BAD_RESPONSE, PROBLEM.badResponse, RETRY_CAUSE.NEVER);
  // The endpoint closed a pooled connection as we took it: a coincidence, not its failure.
  const isStale = wasReused && !ex.hasAnswered && !ex.books.sawBytes;
  failed(
    ex,
    isOurs ? OUTCOME.CLIENT_GONE : OUTCOME.RESET,
    PROBLEM.reset,
    isStale ? RETRY_CAUSE.STALE : RETRY_CAUSE.RESET,
  );
}

/** The endpoint has not looked at the request: whatever its method, it may be said again, there over a new connection or elsewhere. */
export function refused(ex: Exchange): void {
  ex.up = null;
  failed(ex, OUTCOME.CLIENT_GONE, PROBLEM.refused, RETRY_CAUSE.REFUSED);
}

export function timedOut(ex: Exchange): void {
  ex.up?.abort();
  ex.up = null;
  if (ex.state === STATE.TUNNEL) return endTunnel(ex);
  failed(ex, OUTCOME.TIMEOUT, PROBLEM.responseTimeout, RETRY_CAUSE.TIMEOUT);
}

/** The endpoint answered, but with something that HTTP does not allow here. */
export function answeredBadly(ex: Exchange): void {
  ex.up?.abort();
  ex.up = null;
  failed(ex, OUTCOME.BAD_RESPONSE, PROBLEM.badResponse, RETRY_CAUSE.NEVER);
}

/**
 * The endpoint answered with a status that is tried again elsewhere, if there is an elsewhere, and in the time that the answer
 * itself asks for. True = the answer is void.
 */
export function retryStatus(ex: Exchange, status: number): boolean {
  if (ex.hedge?.isRacing === true) {
    ex.up?.abort();
    settleAttempt(ex, outcomeOfStatus(status), status);
    goOnWith(ex, ex.hedge);
    return true;
  }
  const waitMs = backOffMs(ex, ex.books.retryAfterMs);
  if (waitMs === NEVER || ex.attempts > ex.pool!.spec.retry.attempts || ex.triedCount === ex.tried.length) return false;
  if (!mayRepeat(ex, RETRY_CAUSE.STATUS)) return false;
  const { triedCount } = ex;
  ex.tried[ex.triedCount++] = ex.slot;
  // What is only looked for is no decision: it would be told as one that never ends.
  const isMade = waitMs === 0 && affords(ex.pool!.budget, ex.plane.wheel.nowMs);
  const next = elsewhere(ex, ex.books.endpoint!, isMade);
  if (next === NONE || !mayRetry(ex, RETRY_CAUSE.STATUS)) {
    ex.triedCount = triedCount;
    return false;
  }
  ex.up?.abort();
  ex.up = null;
  settleAttempt(ex, outcomeOfStatus(status), status);
  if (waitMs > 0) rest(ex, waitMs);
  else begin(ex, next);
  return true;
}

/** The attempt beside it, which is still under way, takes the place of one that has failed. */
function goOnWith(ex: Exchange, racing: hedge.Hedge): void {
  ex.up = null;
  if (ex.triedCount < ex.tried.length) ex.tried[ex.triedCount++] = ex.slot;
  racing.lead();
}

/** Lets go of whatever endpoint the exchange is bound to: nobody waits for its answer any more. */
export function drop(ex: Exchange, outcome: Outcome): void {
  if (ex.slot === NONE) return;
  if (ex.up !== null) ex.up.abort();
  else if (ex.state === STATE.WAITING) ex.generation.groups[ex.slot]!.cancel(ex);
  ex.up = null;
  settleAttempt(ex, outcome, 0);
}

function endTunnel(ex: Exchange): void {
  ex.down.end(null);
  ex.finish();
}

function failed(ex: Exchange, outcome: Outcome, problem: Problem, cause: RetryCause): void {
  const isStale = (cause === RETRY_CAUSE.STALE || cause === RETRY_CAUSE.REFUSED) && !ex.books.wasStale;
  if (ex.books.span !== null) ex.books.span.error = cause === RETRY_CAUSE.STALE ? 'stale_connection' : problem.code;
  settleAttempt(ex, isStale ? OUTCOME.CLIENT_GONE : outcome, 0);
  ex.books.lastProblem = problem;
  if (ex.hedge?.isRacing === true) return goOnWith(ex, ex.hedge);
  const waitMs = isStale ? 0 : backOffMs(ex, 0);
  if (waitMs !== NEVER && mayRetry(ex, cause)) return again(ex, isStale, waitMs);
  countRetry(ex, RETRY_RESULT.FAILURE);
  giveUp(ex, problem);
}

function giveUp(ex: Exchange, problem: Problem): void {
  if (problem === PROBLEM.overload) ex.plane.admission.shed(ex, SHED.ENDPOINT);
  ex.refuse(problem);
}

/** Elsewhere, or, after a stale connection, at the same endpoint over a new one. */
function again(ex: Exchange, isStale: boolean, waitMs: number): void {
  ex.needsNewConnection = isStale;
  if (isStale) ex.books.wasStale = true;
  else if (ex.triedCount < ex.tried.length) ex.tried[ex.triedCount++] = ex.slot;
  if (waitMs > 0) rest(ex, waitMs);
  else begin(ex);
}
