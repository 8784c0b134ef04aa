// Whether a failed attempt may be made again: only what is safe to repeat (RFC 9110, 9.2.2), only while nothing of an
// answer has reached the client, and within the budget, so that retries never double the load of a failing pool.

import { take } from '../core/budget.ts';
import { CELL } from '../core/lane.ts';
import type { Exchange } from './exchange.ts';

/** Why an attempt failed, as far as a retry cares. */
export const RETRY_CAUSE = { NEVER: 0, CONNECT: 1, STALE: 2, RESET: 3, TIMEOUT: 4, STATUS: 5, REFUSED: 6 } as const;
export type RetryCause = (typeof RETRY_CAUSE)[keyof typeof RETRY_CAUSE];

/** Indexes of RETRY_RESULTS (core/lane.ts). */
export const RETRY_RESULT = { SUCCESS: 0, FAILURE: 1, BUDGET: 2 } as const;

export function mayRetry(ex: Exchange, cause: RetryCause): boolean {
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
      if (!retry.onTimeout) return false;
      break;
    case RETRY_CAUSE.STALE:
    case RETRY_CAUSE.RESET:
      if (!retry.onReset) return false;
  }
  if (take(pool.budget, ex.plane.wheel.nowMs)) return true;
  ex.plane.lane.count(CELL.RETRIES, pool.spec.uid, RETRY_RESULT.BUDGET, 0);
  return false;
}
