// An exchange as it is when a request begins: nothing of the one before is left in it. What is not here is set on the way before
// it is looked at, or put away by whoever used it last.

import { NONE } from '../core/snapshot.ts';
import type { RequestHead } from '../wire/request.ts';
import { type Exchange, STATE } from './exchange.ts';
import { isCall } from './grpc.ts';
import { HEDGED } from './hedge.ts';
import { BOUND } from './locality.ts';
import { NEVER } from './wheel.ts';

/** Enters the plane's generation of now. */
export function reset(ex: Exchange, head: RequestHead, hasBody: boolean, nowMs: number): void {
  ex.state = STATE.WAITING;
  ex.head = head;
  const generation = ex.plane.enter();
  // A reload may have changed who is trusted, also for connections that were there before.
  if (generation !== ex.generation) ex.down.peer.isTrusted = generation.trusted.has(ex.down.peer.address);
  ex.generation = generation;
  ex.route = null;
  ex.pool = null;
  ex.up = null;
  ex.slot = NONE;
  ex.attempts = 0;
  ex.isResting = false;
  ex.hedged = HEDGED.NOT;
  ex.triedCount = 0;
  ex.hasAnswered = false;
  ex.isRequestRead = !hasBody;
  ex.trailers = null;
  ex.bodyBytes = 0;
  ex.owes100 = false;
  ex.needsNewConnection = false;
  ex.totalAtMs = NEVER;
  ex.limitLines = '';
  ex.row = NONE;
  ex.bound = BOUND.FREE;
  ex.isCall = isCall(head);
  ex.deadlineAtMs = NEVER;
  ex.trace = null;
  ex.books.reset(nowMs);
}
