// What is written down about an exchange: one sample and one in-flight count per attempt, settled exactly once, and the
// request's own counters when it is over. Everything goes to the worker's lane: array stores, nothing else.

import { judge } from '../core/budget.ts';
import { bucketsOf, CELL, codeOf, OTHER } from '../core/cells.ts';
import { EDGE_COHORT } from '../core/cohort.ts';
import { OUTCOME, type Outcome, SAMPLE } from '../core/sample.ts';
import { type EndpointSpec, NONE } from '../core/snapshot.ts';
import type { AttemptRecord } from '../core/trace-spans.ts';
import type { Problem } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { NOWHERE, type Place } from './locate.ts';
import { closeAttempt } from './tracing.ts';

const DURATION = bucketsOf(CELL.DURATION)!;
const OVERHEAD = bucketsOf(CELL.OVERHEAD)!;

/** How an exchange ended: whole; with an answer of ours that says what is wrong; in the midst of its answer; with its client gone. */
export const ENDING = { WHOLE: 0, REFUSED: 1, CUT: 2, CLIENT_GONE: 3 } as const;
export type Ending = (typeof ENDING)[keyof typeof ENDING];

/** The account of one exchange, reused by the next. Times in ms of the worker's clock; -1 = has not happened. */
export class Books {
  startMs = 0;
  status = 0;
  /** Of the client; and the cohort whose row was picked from, EDGE_COHORT for the edge's own. */
  place: Place = NOWHERE;
  cohort: number = EDGE_COHORT;
  responseBytes = 0;
  /** Of heads before the final one. */
  interimBytes = 0;
  lastProblem: Problem | null = null;
  ending: Ending = ENDING.WHOLE;
  /** What its client was told, or would have been; null = nothing was wrong. */
  problem: Problem | null = null;
  /** A stale pooled connection was already forgiven once. */
  wasStale = false;
  /** Further addresses of its endpoint that the attempt was made at. */
  detours = 0;
  /** Time that the endpoint took, connects and earlier attempts included. */
  endpointMs = 0;
  /** For how long the client has held the endpoint back by not taking its answer; and since when it does, -1 = it does not. */
  #heldMs = 0;
  #heldFromMs = -1;

  // Of the attempt under way:
  isOpen = false;
  endpoint: EndpointSpec | null = null;
  role = 0;
  /** The decision that the pick was written down as; 0 = it was not. */
  decision = 0;
  attemptMs = 0;
  sentMs = -1;
  firstByteMs = -1;
  connectMs = -1;
  inflight = 0;
  /** Of the wheel, when it began. */
  stalledMs = 0;
  isReused = false;
  /** Some byte of a response has come. */
  sawBytes = false;
  /** Why no connection came about: index into CONNECT_REASONS. */
  connectReason = 0;
  /** What a 429 or 503 asked for; 0 = nothing. */
  retryAfterMs = 0;
  /** What is noted of it for the exchange's trace; null = that has none. */
  span: AttemptRecord | null = null;

  reset(nowMs: number): void {
    this.startMs = nowMs;
    this.status = 0;
    this.place = NOWHERE;
    this.cohort = EDGE_COHORT;
    this.responseBytes = 0;
    this.interimBytes = 0;
    this.lastProblem = null;
    this.ending = ENDING.WHOLE;
    this.problem = null;
    this.wasStale = false;
    this.detours = 0;
    this.endpointMs = 0;
    this.#heldMs = 0;
    this.#heldFromMs = -1;
    this.isOpen = false;
    this.endpoint = null;
  }

  /** The client has no room for more of the answer: its endpoint is held back. */
  hold(nowMs: number): void {
    if (this.#heldFromMs < 0) this.#heldFromMs = nowMs;
  }

  goOn(nowMs: number): void {
    if (this.#heldFromMs >= 0) this.#heldMs += nowMs - this.#heldFromMs;
    this.#heldFromMs = -1;
  }

  /** For how long the client has held its endpoint back so far, ms. */
  heldMs(nowMs: number): number {
    return this.#heldMs + (this.#heldFromMs < 0 ? 0 : nowMs - this.#heldFromMs);
  }

  beginAttempt(ex: Exchange, endpoint: EndpointSpec, role: number, nowMs: number): void {
    const { lane } = ex.plane;
    this.isOpen = true;
    this.endpoint = endpoint;
    this.attemptMs = nowMs;
    this.sentMs = -1;
    this.firstByteMs = -1;
    this.connectMs = -1;
    this.stalledMs = ex.plane.wheel.stalledMs;
    this.isReused = false;
    this.sawBytes = false;
    this.connectReason = 0;
    this.retryAfterMs = 0;
    this.decision = role === NONE ? 0 : ex.plane.capture.id;
    this.inflight = lane.inflight[endpoint.slot]!;
    lane.inflight[endpoint.slot] = this.inflight + 1;
    if (ex.trace !== null) this.span = ex.plane.tracer.attempt(ex, this, role);
    if (role === NONE) return; // the same endpoint again: nothing was selected
    this.role = role;
    this.cohort = ex.generation.selector.cohort;
    lane.count(CELL.SELECTIONS, ex.pool!.spec.uid, endpoint.uid, role);
  }

  /** Goes on with an attempt that ran beside this one until now. What ran side by side is counted once. */
  takeOver(other: Books, nowMs: number): void {
    this.endpointMs -= Math.max(0, nowMs - fromMs(other));
    this.isOpen = other.isOpen;
    this.endpoint = other.endpoint;
    this.role = other.role;
    this.cohort = other.cohort;
    this.decision = other.decision;
    this.attemptMs = other.attemptMs;
    this.sentMs = other.sentMs;
    this.firstByteMs = other.firstByteMs;
    this.connectMs = other.connectMs;
    this.inflight = other.inflight;
    this.stalledMs = other.stalledMs;
    this.isReused = other.isReused;
    this.sawBytes = other.sawBytes;
    this.connectReason = other.connectReason;
    this.retryAfterMs = other.retryAfterMs;
    this.span = other.span;
    other.span = null;
    other.isOpen = false;
  }
}

/** When the endpoint's part of an attempt began: of a connection that had to be made, the making is part of it. */
function fromMs(books: Books): number {
  return books.sentMs >= 0 && books.isReused ? books.sentMs : books.attemptMs;
}

/** What a final status says of the endpoint that gave it. */
export function outcomeOfStatus(status: number): Outcome {
  return status >= 500 ? OUTCOME.STATUS_5XX : status === 429 ? OUTCOME.TOO_MANY : OUTCOME.OK;
}

/**
 * Of an attempt's time our own loop stood still for so much that its end in silence says nothing of the endpoint. Not for less:
 * on a machine that is always a little late, a silent endpoint would never be found out.
 */
const OUR_FAULT_RATIO = 1 / 4;

function isOurFault(outcome: Outcome, lostMs: number, totalMs: number): boolean {
  return (outcome === OUTCOME.TIMEOUT || outcome === OUTCOME.RESET) && lostMs > totalMs * OUR_FAULT_RATIO;
}

/** Files the sample of the attempt under way in `books`; does nothing when there is none. */
export function settleAttempt(ex: Exchange, as: Outcome, status: number, books: Books = ex.books): void {
  const { plane } = ex;
  const { endpoint } = books;
  if (!books.isOpen || endpoint === null) return;
  books.isOpen = false;
  const { lane } = plane;
  const { nowMs } = plane.wheel;
  lane.inflight[endpoint.slot]! -= 1;
  if (books.span !== null) closeAttempt(books.span, books, as, status, plane.clock());
  const wasSent = books.sentMs >= 0;
  // What was measured while our own loop stood still was measured of us: no time is told of it.
  const lostMs = plane.wheel.stalledMs - books.stalledMs;
  const isTrue = lostMs === 0;
  const outcome = !isTrue && isOurFault(as, lostMs, nowMs - books.attemptMs) ? OUTCOME.CLIENT_GONE : as;
  // The clock of the event may lag behind the one that dated the sending.
  books.endpointMs += Math.max(0, nowMs - fromMs(books));
  const { budget, hedging, spec: pool } = ex.pool!;
  if (outcome === OUTCOME.OK) {
    judge(budget, true);
    ex.generation.groups[endpoint.slot]!.doubt.answered();
  } else if (outcome >= OUTCOME.CONNECT_FAILED) judge(budget, false);
  const connectMs = isTrue ? books.connectMs : -1;
  if (connectMs >= 0) lane.observe(CELL.CONNECT, endpoint.uid, 0, DURATION, connectMs / 1000);
  // Who answers before the request is whole has been waited for by nobody: there is no time to tell.
  const firstByteMs = isTrue && wasSent && books.firstByteMs >= books.sentMs ? books.firstByteMs - books.sentMs : -1;
  if (firstByteMs >= 0) lane.observe(CELL.FIRST_BYTE, pool.uid, endpoint.uid, DURATION, firstByteMs / 1000);
  if (hedging !== null && isTrue && wasSent && ex.pool!.retryMethods.has(ex.head.method))
    hedging.learn(endpoint.slot, outcome, firstByteMs, nowMs - books.sentMs, nowMs);
  if (outcome >= OUTCOME.CONNECT_FAILED)
    lane.count(CELL.FAILURES, pool.uid, endpoint.uid, outcome | (books.connectReason << 4));
  if (pool.requestsPerEndpoint !== 0) tellGate(ex, endpoint.slot, outcome, isTrue ? firstByteMs : -1, status, books);
  const base = lane.sampleBase();
  if (base < 0) return;
  const { ring } = lane;
  ring[base + SAMPLE.SLOT] = endpoint.slot;
  ring[base + SAMPLE.GENERATION] = endpoint.generation;
  ring[base + SAMPLE.COHORT] = books.cohort;
  ring[base + SAMPLE.COUNTRY] = books.place.countryKey;
  ring[base + SAMPLE.ASN] = books.place.asnKey;
  ring[base + SAMPLE.PREFIX] = books.place.prefixKey;
  ring[base + SAMPLE.OUTCOME] = outcome;
  ring[base + SAMPLE.CONNECT_MS] = connectMs;
  ring[base + SAMPLE.FIRST_BYTE_MS] = firstByteMs;
  ring[base + SAMPLE.TOTAL_MS] = nowMs - lostMs - (outcome === OUTCOME.OUTRUN ? books.sentMs : books.attemptMs);
  ring[base + SAMPLE.INFLIGHT] = books.inflight;
  ring[base + SAMPLE.AT_MS] = nowMs;
  ring[base + SAMPLE.STATUS] = status;
  ring[base + SAMPLE.RETRY_AFTER_MS] = books.retryAfterMs;
  ring[base + SAMPLE.BYTES] = books.responseBytes;
  ring[base + SAMPLE.ROLE] = books.role;
  ring[base + SAMPLE.DECISION] = books.decision;
  ring[base + SAMPLE.STALLED_MS] = lostMs;
  lane.publishSample();
}

/** Another may go in its place; and how long it took says what the endpoint can take at once. */
function tellGate(
  ex: Exchange,
  slot: number,
  outcome: Outcome,
  firstByteMs: number,
  status: number,
  books: Books,
): void {
  const group = ex.generation.groups[slot]!;
  const { nowMs } = ex.plane.wheel;
  const isUnanswered = outcome === OUTCOME.TIMEOUT && firstByteMs < 0 && books.sentMs >= 0;
  group.gate.learn(isUnanswered ? nowMs - books.sentMs : firstByteMs, nowMs, outcome < OUTCOME.TOO_MANY);
  if (group.gate.length > 0) group.settled(status === 101);
}

/** Counts the request itself. */
export function closeBooks(ex: Exchange): void {
  const { books, plane, route, head } = ex;
  settleAttempt(ex, OUTCOME.CLIENT_GONE, 0); // no-op unless somebody forgot
  const { lane } = plane;
  const nowMs = plane.clock();
  const routeUid = route?.spec.uid ?? OTHER;
  const endpointUid = books.endpoint !== null && (ex.hasAnswered || books.status === 499) ? books.endpoint.uid : OTHER;
  lane.count(CELL.REQUESTS, routeUid, endpointUid, (head.methodId << 10) | codeOf(books.status));
  const totalMs = nowMs - books.startMs;
  if (route !== null) lane.observe(CELL.DURATION, routeUid, 0, DURATION, totalMs / 1000);
  // With a request body most of the time is the client's; a tunnel's or a failed request's time says nothing either.
  if (ex.bodyBytes === 0 && books.status >= 200 && books.status < 400) {
    lane.observe(CELL.OVERHEAD, 0, 0, OVERHEAD, Math.max(0, totalMs - books.endpointMs) / 1000);
  }
  if (plane.access.isOn) plane.access.write(ex, totalMs);
  if (ex.trace !== null) plane.tracer.end(ex, ex.trace);
}
