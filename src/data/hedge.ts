// A second attempt beside the first, when that is late: the same request to another endpoint. Whoever gives a final head first
// that is no retryable failure answers the client, the other one is dropped at once; if one fails, the other goes on alone.
//
//   IDLE ──due──▶ RACING ──the first attempt answers──▶ IDLE (outrun)
//                   ├──it answers, or the first one fails──▶ LEADING: it is the exchange's attempt now, and passes on what it hears
//                   └──it fails──▶ IDLE, and the first attempt goes on
//
// It is the user of its own upstream, with an account of its own; the exchange makes one when it hedges for the first time, and
// uses it again. There is no third attempt beside the two.

import { giveBack, take } from '../core/budget.ts';
import { CELL, EVENT } from '../core/cells.ts';
import { OUTCOME, type Outcome } from '../core/sample.ts';
import { NONE } from '../core/snapshot.ts';
import type { Fields } from '../wire/fields.ts';
import type { ProxyEnds } from '../wire/proxy.ts';
import type { ResponseHead } from '../wire/response.ts';
import { sendTo } from './attempt.ts';
import { connectOutcomeOf } from './blame.ts';
import { chooseBeside } from './choose.ts';
import { type Exchange, STATE } from './exchange.ts';
import { isUnsent, outcomeOfUnsent } from './overlay/serve.ts';
import { Books, settleAttempt } from './settle.ts';
import { ACQUIRED, type ConnectFailure, type Upstream, type UpstreamEvents } from './sides.ts';
import { NEVER, TICK_MS } from './wheel.ts';

/** What has become of it. DENIED: it was due, but not afforded yet. BEGUN: whatever came of it, there is no other. */
export const HEDGED = { NOT: 0, DENIED: 1, BEGUN: 2, LEADING: 3 } as const;
export type Hedged = (typeof HEDGED)[keyof typeof HEDGED];

/** Indexes of HEDGE_RESULTS (core/cells.ts). */
export const HEDGE_RESULT = { WON: 0, LOST: 1, BUDGET: 2 } as const;

const PHASE = { IDLE: 0, RACING: 1, LEADING: 2 } as const;

export class Hedge implements UpstreamEvents {
  readonly #ex: Exchange;
  /** Only what is of an attempt is used. */
  readonly #books = new Books();
  #phase: (typeof PHASE)[keyof typeof PHASE] = PHASE.IDLE;
  #up: Upstream | null = null;
  #slot = NONE;

  constructor(ex: Exchange) {
    this.#ex = ex;
  }

  /** Under way, beside the exchange's own attempt. */
  get isRacing(): boolean {
    return this.#phase === PHASE.RACING;
  }

  /** Asks the endpoint in `slot`, which was just chosen. False = it has no connection to spare. */
  begin(slot: number, nowMs: number): boolean {
    const ex = this.#ex;
    const group = ex.generation.groups[slot]!;
    this.#slot = slot;
    this.#up = null;
    this.#phase = PHASE.RACING;
    this.#books.place = ex.books.place;
    this.#books.beginAttempt(ex, group.spec, ex.generation.selector.role, nowMs);
    if (this.#books.span !== null) this.#books.span.isHedge = true;
    const acquired = group.acquire(this, false);
    if (acquired === ACQUIRED.READY || acquired === ACQUIRED.CONNECTING) return true;
    if (acquired === ACQUIRED.QUEUED) group.cancel(this); // others wait there for their only attempt
    this.#settle(OUTCOME.CLIENT_GONE, 0);
    this.#phase = PHASE.IDLE;
    return false;
  }

  /** The first attempt has answered, or nobody waits for an answer any more. */
  drop(isOutrun: boolean): void {
    if (this.#phase !== PHASE.RACING) return;
    if (isOutrun) this.#count(HEDGE_RESULT.LOST);
    this.#end(isOutrun && this.#books.sentMs >= 0 ? OUTCOME.OUTRUN : OUTCOME.CLIENT_GONE, 0);
  }

  /** The exchange's own attempt is over and settled: this one takes its place, as far as it has come. */
  lead(): void {
    const ex = this.#ex;
    this.#phase = PHASE.LEADING;
    ex.hedged = HEDGED.LEADING;
    ex.attempts++;
    ex.up = this.#up;
    ex.slot = this.#slot;
    ex.state = this.#books.sentMs >= 0 ? STATE.SENT : STATE.WAITING;
    ex.books.takeOver(this.#books, ex.plane.wheel.nowMs);
    this.#up = null;
    this.#count(HEDGE_RESULT.WON);
  }

  // ── what its endpoint tells ──────────────────────────────────────────────────────────────────────────────────────

  onConnecting(upstream: Upstream): void {
    if (this.#phase === PHASE.LEADING) return this.#ex.onConnecting(upstream);
    this.#up = upstream;
    if (this.#books.span !== null) this.#books.span.connectingMs = this.#ex.plane.clock();
  }

  /** Others wait there for their only attempt; and if the first one failed, nobody would have timed the wait of this one. */
  onQueued(): void {
    if (this.#phase === PHASE.LEADING) this.#ex.onQueued();
    else this.#fail(OUTCOME.CLIENT_GONE, 0);
  }

  onUpstreamReady(upstream: Upstream): void {
    if (this.#phase === PHASE.LEADING) return this.#ex.onUpstreamReady(upstream);
    if (this.#phase === PHASE.IDLE) return upstream.abort();
    this.#up = upstream;
    sendTo(this.#ex, upstream, this.#books);
    upstream.expectWithin(this.#ex.pool!.spec.timeouts.firstByteMs);
  }

  onConnectFailed(reason: ConnectFailure): void {
    if (this.#phase === PHASE.LEADING) return this.#ex.onConnectFailed(reason);
    this.#up = null;
    this.#books.connectReason = reason + 1;
    this.#fail(connectOutcomeOf(reason), 0);
  }

  onUpstreamLost(brokeHttp: boolean): void {
    if (this.#phase === PHASE.LEADING) return this.#ex.onUpstreamLost(brokeHttp);
    // The endpoint closed a pooled connection as it was taken: a coincidence, not its failure.
    const isStale = this.#up?.isReused === true && !this.#books.sawBytes;
    this.#up = null;
    this.#fail(brokeHttp ? OUTCOME.BAD_RESPONSE : isStale ? OUTCOME.CLIENT_GONE : OUTCOME.RESET, 0);
  }

  onUpstreamRefused(): void {
    if (this.#phase === PHASE.LEADING) return this.#ex.onUpstreamRefused();
    this.#up = null;
    this.#fail(OUTCOME.CLIENT_GONE, 0);
  }

  onUpstreamTimeout(): void {
    if (this.#phase === PHASE.LEADING) this.#ex.onUpstreamTimeout();
    else this.#fail(OUTCOME.TIMEOUT, 0);
  }

  onResponseHead(head: ResponseHead): void {
    const ex = this.#ex;
    if (this.#phase === PHASE.LEADING) return ex.onResponseHead(head);
    if (this.#phase === PHASE.IDLE) return;
    this.#books.sawBytes = true;
    const { status } = head;
    if (status === 101) return this.#fail(OUTCOME.BAD_RESPONSE, 0); // nobody asked for that
    if (status < 200) return; // of two that may answer, the hints of the first are enough
    // An edge that has not sent it on has not answered it.
    const isRelayed = this.#books.endpoint!.via !== undefined;
    if (status >= 400 && isRelayed && isUnsent(head)) return this.#fail(outcomeOfUnsent(status), 0);
    if (ex.pool!.retryStatuses.has(status)) {
      this.#books.firstByteMs = ex.plane.wheel.nowMs;
      return this.#fail(status >= 500 ? OUTCOME.STATUS_5XX : OUTCOME.TOO_MANY, status);
    }
    ex.up?.abort();
    settleAttempt(ex, OUTCOME.OUTRUN, 0);
    this.lead();
    ex.onResponseHead(head);
  }

  onResponseChunk(chunk: Buffer, from: number, to: number): void {
    if (this.#phase === PHASE.LEADING) this.#ex.onResponseChunk(chunk, from, to);
  }

  onResponseEnd(trailers: Fields | null): void {
    if (this.#phase === PHASE.LEADING) this.#ex.onResponseEnd(trailers);
  }

  onUpstreamDrain(): void {
    if (this.#phase === PHASE.LEADING) this.#ex.onUpstreamDrain();
  }

  onTunnelFin(): void {
    if (this.#phase === PHASE.LEADING) this.#ex.onTunnelFin();
  }

  get isDownstreamFlushed(): boolean {
    return this.#ex.isDownstreamFlushed;
  }

  clientEnds(): ProxyEnds | null {
    return this.#ex.clientEnds();
  }

  flush(): void {
    if (this.#phase === PHASE.LEADING) this.#ex.flush();
    else this.#up?.flush();
  }

  // ── small things ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** The first attempt goes on alone; this endpoint is not asked again. */
  #fail(outcome: Outcome, status: number): void {
    if (this.#phase !== PHASE.RACING) return;
    const ex = this.#ex;
    this.#count(HEDGE_RESULT.LOST);
    this.#end(outcome, status);
    if (ex.triedCount < ex.tried.length) ex.tried[ex.triedCount++] = this.#slot;
  }

  #end(outcome: Outcome, status: number): void {
    this.#phase = PHASE.IDLE;
    this.#up?.abort();
    this.#up = null;
    this.#settle(outcome, status);
  }

  #settle(outcome: Outcome, status: number): void {
    settleAttempt(this.#ex, outcome, status, this.#books);
  }

  #count(result: number): void {
    this.#ex.plane.lane.count(CELL.EVENTS, EVENT.HEDGE, this.#ex.pool!.spec.uid, result);
  }
}

/** Attempts of a request in all, also the one beside another. */
export function attemptsOf(ex: Exchange): number {
  return ex.attempts + (ex.hedged === HEDGED.BEGUN ? 1 : 0);
}

// ── when ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The request is out, whole: arms the moment at which the endpoint will be late, if another may be asked then. */
export function watch(ex: Exchange): void {
  const { hedging } = ex.pool!;
  if (hedging === null || ex.hedged !== HEDGED.NOT || ex.hasAnswered || !isRepeatable(ex)) return;
  const delayMs = hedging.delayMs(ex.slot);
  if (delayMs !== NEVER) ex.armUntil(ex.books.sentMs + delayMs);
}

/** Two endpoints may be asked, and there is all that the second needs. */
function isRepeatable(ex: Exchange): boolean {
  return ex.replay.isWhole && ex.head.upgrade === '' && ex.pool!.retryMethods.has(ex.head.method);
}

/** It is late: asks another endpoint, if budget and load allow it; else it is looked at again when it is later still. */
export function due(ex: Exchange, nowMs: number): void {
  ex.armUntil(NEVER); // the whole time runs on
  const pool = ex.pool!;
  const { hedging } = pool;
  if (hedging === null || ex.hasAnswered || ex.hedged > HEDGED.DENIED) return;
  if (!isRepeatable(ex)) return; // what was due is the 100 that its client does not wait for any more
  // While our own loop stood still nobody was late but we.
  const waitedMs = nowMs - ex.books.sentMs - (ex.plane.wheel.stalledMs - ex.books.stalledMs);
  const moreMs = hedging.moreMs(ex.slot, waitedMs);
  if (moreMs > 0) return ex.armUntil(nowMs + moreMs);
  const nextMs = nowMs + Math.max(waitedMs / 2, TICK_MS);
  if (!take(hedging.budget, nowMs)) {
    if (ex.hedged === HEDGED.NOT) ex.plane.lane.count(CELL.EVENTS, EVENT.HEDGE, pool.spec.uid, HEDGE_RESULT.BUDGET);
    ex.hedged = HEDGED.DENIED;
    return ex.armUntil(nextMs);
  }
  const slot = chooseBeside(ex, nowMs);
  if (slot !== NONE) {
    ex.hedge ??= new Hedge(ex);
    ex.hedged = HEDGED.BEGUN;
    if (ex.hedge.begin(slot, nowMs)) return;
    ex.hedged = HEDGED.DENIED;
  }
  giveBack(hedging.budget);
  ex.armUntil(nextMs);
}
