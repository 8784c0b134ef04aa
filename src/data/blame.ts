// Whose fault it was that an attempt failed: what counts against an endpoint, and what only looks as if.

import { OUTCOME, type Outcome } from '../core/sample.ts';
import type { Exchange } from './exchange.ts';
import { CONNECT_FAILURE, type ConnectFailure } from './sides.ts';

/** Endpoints and the proxies before them bear slow clients for longer than this, ms. */
const WORN_OUT_MS = 5000;

/** What a connection that never came about says of its endpoint. */
export function connectOutcomeOf(reason: ConnectFailure): Outcome {
  switch (reason) {
    case CONNECT_FAILURE.DESCRIPTORS:
      return OUTCOME.CLIENT_GONE; // it is we who have none left
    case CONNECT_FAILURE.TIMEOUT:
    case CONNECT_FAILURE.TLS_TIMEOUT:
      return OUTCOME.TIMEOUT;
    default:
      return OUTCOME.CONNECT_FAILED;
  }
}

/**
 * The client has kept its endpoint waiting for so long, with the rest of its request (`hasTaken`: the endpoint has all there
 * is) or by not taking the answer, that the end of the endpoint's patience says nothing of the endpoint. Else a few slow clients
 * could have any endpoint ejected.
 */
export function isWornOut(ex: Exchange, hasTaken: boolean): boolean {
  const { books } = ex;
  const { nowMs } = ex.plane.wheel;
  // The streams of gRPC, and of whoever is answered while it speaks, are slow by nature.
  if (ex.isRequestRead || ex.hasAnswered || ex.isCall) return books.heldMs(nowMs) >= WORN_OUT_MS;
  return hasTaken && books.sentMs >= 0 && nowMs - books.sentMs >= WORN_OUT_MS;
}
