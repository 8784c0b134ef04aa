// Whether a failed attempt may be made again, and when: only what is safe to repeat (RFC 9110, 9.2.2), only while nothing of
// an answer has reached the client, within the budget, so that retries never double the load of a failing pool, and with
// pauses beyond the first, so that they do not come all at once.

import { take } from '../core/budget.ts';
import { CELL } from '../core/cells.ts';
import * as attempt from './attempt.ts';
import { type Exchange, STATE } from './exchange.ts';
import { HEDGED } from './hedge.ts';
import { NEVER } from './wheel.ts';

/** Why an attempt failed, as far as a retry cares. */
export const RETRY_CAUSE = { NEVER: 0, CONNECT: 1, STALE: 2, RESET: 3, TIMEOUT: 4, STATUS: 5, REFUSED: 6 } as const;
export type RetryCause = (typeof RETRY_CAUSE)[keyof typeof RETRY_CAUSE];

/** Indexes of RETRY_RESULTS (core/cells.ts). */
export const RETRY_RESULT = { SUCCESS: 0, FAILURE: 1, BUDGET: 2 } as const;

/** Pays for it, too, when it is due. */
export function mayRetry(ex: Exchange, cause: RetryCause): boolean {
  if (!mayRepeat(ex, cause)) return false;
  if ((cause === RETRY_CAUSE.STALE || cause === RETRY_CAUSE.REFUSED) && !ex.books.wasStale) return true;
  if (cause === RETRY_CAUSE.CONNECT || cause === RETRY_CAUSE.REFUSED) return true;
  const pool = ex.pool!;
  if (take(pool.budget, ex.plane.wheel.nowMs)) return true;
  ex.plane.lane.count(CELL.RETRIES, pool.spec.uid, RETRY_RESULT.BUDGET, 0);
  return false;
}

/** Whether it would be safe and is wanted, whatever it costs. */
export function mayRepeat(ex: Exchange, cause: RetryCause): boolean {
  if (ex.hasAnswered || cause === RETRY_CAUSE.NEVER || !ex.replay.isWhole) return false;
  const pool = ex.pool!;
  const { retry } = pool.spec;
  // Nothing has been looked at: repeating is safe whatever the method. All other causes need an idempotent one.
  const isUnseen = cause === RETRY_CAUSE.CONNECT || cause === RETRY_CAUSE.REFUSED;
  if (!isUnseen && !pool.retryMethods.has(ex.head.method)) return false;
  if ((cause === RETRY_CAUSE.STALE || cause === RETRY_CAUSE.REFUSED) && !ex.books.wasStale) return true;
  if (ex.attempts > retry.attempts) return false;
  switch (cause) {
    case RETRY_CAUSE.CONNECT:
    case RETRY_CAUSE.REFUSED:
      return retry.onConnect;
    case RETRY_CAUSE.TIMEOUT:
      return retry.onTimeout;
    case RETRY_CAUSE.STALE:
    case RETRY_CAUSE.RESET:
      return retry.onReset;
  }
  return true;
}

/** How a request that was tried again has ended. A hedge that took over was no retry. */
export function countRetry(ex: Exchange, result: number): void {
  const first = ex.hedged === HEDGED.LEADING ? 2 : 1;
  if (ex.attempts > first) ex.plane.lane.count(CELL.RETRIES, ex.pool!.spec.uid, result, 0);
}

/** The second retry waits up to so long, each one after it up to twice as long as the one before … */
const FIRST_PAUSE_MS = 50;
/** … and none longer than this. */
const MAX_PAUSE_MS = 250;
/** An endpoint that asks for more patience than this gets it from the client itself: its answer is passed on. */
const MAX_FLOOR_MS = 1000;

/**
 * How long to wait before the next attempt, ms: nothing before the first retry, then a random time, but `floorMs` at least.
 * NEVER = it would be too late.
 * Source: Brooker, "Exponential backoff and jitter", AWS 2015 (full jitter).
 */
export function backOffMs(ex: Exchange, floorMs: number): number {
  if (floorMs > MAX_FLOOR_MS) return NEVER;
  const retries = ex.attempts - 1;
  const most = retries <= 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (retries - 1), MAX_PAUSE_MS);
  const ms = Math.max(floorMs, most > 0 ? ex.plane.random() * most : 0);
  return ex.plane.wheel.nowMs + ms < ex.totalAtMs ? ms : NEVER;
}

/** Waits for `ms`, bound to no endpoint, before the next attempt. */
export function rest(ex: Exchange, ms: number): void {
  ex.isResting = true;
  ex.state = STATE.WAITING;
  ex.armUntil(ex.plane.wheel.nowMs + ms);
}

export function rested(ex: Exchange): void {
  ex.isResting = false;
  attempt.begin(ex);
}
