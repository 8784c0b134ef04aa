// What a client's request does to an exchange: it is guarded and routed, answered here or sent on its way (attempt.ts), and its
// body follows it. The counterpart of response.ts; functions over the exchange, which holds the state.

import { deposit } from '../core/budget.ts';
import { clientOf } from '../core/ip.ts';
import { NONE } from '../core/snapshot.ts';
import { FIELD, type Fields } from '../wire/fields.ts';
import { dropNominated } from '../wire/framing.ts';
import type { ProxyEnds } from '../wire/proxy.ts';
import type { RequestHead } from '../wire/request.ts';
import { answerLastHop, respondOf } from './answers.ts';
import * as attempt from './attempt.ts';
import { PROBLEM } from './errors.ts';
import { type Exchange, STATE } from './exchange.ts';
import type { RouteRuntime } from './generation.ts';
import { timeoutMsOf } from './grpc.ts';
import { isLastHop, isProblem, refusalOf, routeOf, stripped } from './guard.ts';
import { joined } from './headers.ts';
import { begin as beginOverlay } from './overlay/serve.ts';
import { redirect } from './redirect.ts';
import { hashKeyOf } from './sticky.ts';
import { makeRoom } from './tracing.ts';

/** The head is in `ex.head`. */
export function begin(ex: Exchange, nowMs: number): void {
  const { plane, generation, head } = ex;
  const { peer } = ex.down;
  const { overlay } = generation;
  if (overlay !== null && peer.listener === overlay.spec.listener) return beginOverlay(ex, overlay, nowMs);
  if (generation.tracing !== null) ex.trace = plane.tracer.begin(ex, generation.tracing);
  const refusal = refusalOf(head, plane.loopId, generation.snapshot.limits.bodyBytes, peer.tls);
  if (refusal !== null) return ex.refuse(refusal);
  const route = routeOf(generation, head, peer.listener);
  if (isProblem(route)) return ex.refuse(route);
  ex.route = route;
  const shed = plane.admission.isOpen ? null : plane.admission.admit(ex);
  if (shed !== null) return ex.refuse(shed);
  if (route.rateLimits !== null && !plane.rateLimits.admit(ex, route.rateLimits)) return;
  if (route.spec.respond !== null) return respondOf(ex, route);
  if (isLastHop(head)) return answerLastHop(ex);
  const path = route.spec.stripPrefix ? stripped(head.path, route.spec.path) : head.path;
  if (path === null) return ex.refuse(PROBLEM.ambiguousPath);
  ex.path = path;
  ex.row = route.spec.row;
  const homeless = route.locality === null ? null : plane.directories.place(ex, route.locality);
  if (homeless !== null) return ex.refuse(homeless);
  const client = clientAddress(ex);
  if (route.spec.mode === 'redirect') return redirect(ex, route, client);
  prepare(ex, route, client, nowMs);
  attempt.begin(ex);
}

/** Makes all ready for the first attempt. `ex.path` is known. */
export function prepare(ex: Exchange, route: RouteRuntime, client: string, nowMs: number): void {
  const { plane, head } = ex;
  const pool = route.pool!;
  ex.pool = pool;
  if (ex.row === NONE) ex.row = route.spec.row; // a peer's request, which is bound to no place of ours
  deposit(pool.budget, nowMs);
  if (pool.hedging !== null) deposit(pool.hedging.budget, nowMs);
  ex.books.place = plane.locator.placeOf(client, ex.whereabouts);
  const { hashOn } = pool.spec;
  ex.hash = hashOn === null ? 0 : hashKeyOf(hashOn, head, client);
  if (head.upgrade !== '' && head.upgrade.toLowerCase() !== 'websocket') head.upgrade = ''; // others are dropped, not passed on
  ex.extra = ex.plan.linesFor(head, route);
  if (ex.trace !== null) makeRoom(ex, ex.trace);
  ex.owes100 = head.expectContinue && head.minor === 1 && !ex.isRequestRead;
  const { totalMs } = pool.spec.timeouts;
  if (totalMs > 0) ex.totalAtMs = nowMs + totalMs;
  if (ex.isCall) keepDeadline(ex, head, nowMs);
}

/** Who the client is: behind a trusted proxy, whom that names. */
export function clientAddress(ex: Exchange): string {
  const { peer } = ex.down;
  if (!peer.isTrusted) return peer.address;
  const value = joined(ex.head, FIELD.X_FORWARDED_FOR);
  return value === '' ? peer.address : clientOf(value, peer.address, ex.generation.trusted);
}

/** The connection that the client speaks over; null where it is not known. Behind a trusted proxy it has an address, but no port. */
export function clientEnds(ex: Exchange): ProxyEnds | null {
  const { address, port, localAddress, localPort } = ex.down.peer;
  const source = clientAddress(ex);
  if (source === '' || localAddress === '') return null;
  const sourcePort = source === address ? port : 0;
  return { source, sourcePort, destination: localAddress, destinationPort: localPort };
}

/** The client's own time may be up before the route's. */
function keepDeadline(ex: Exchange, head: RequestHead, nowMs: number): void {
  const ms = timeoutMsOf(head);
  if (ms < 0) return;
  ex.deadlineAtMs = nowMs + ms;
  if (ex.deadlineAtMs < ex.totalAtMs) ex.totalAtMs = ex.deadlineAtMs;
}

export function chunk(ex: Exchange, bytes: Buffer, from: number, to: number): void {
  if (ex.up === null && ex.state === STATE.ANSWERING) return; // answered whole, and now being compressed
  ex.bodyBytes += to - from;
  const limit = ex.generation.snapshot.limits.bodyBytes;
  if (limit > 0 && ex.bodyBytes > limit) return ex.onRequestBroken(PROBLEM.bodyTooLarge);
  const isSent = ex.state !== STATE.WAITING;
  ex.replay.add(bytes, from, to, isSent);
  if (!isSent) return ex.down.pause();
  const up = ex.up!;
  const hasRoom = up.chunk(bytes, from, to);
  if (!hasRoom) ex.down.pause();
  // While the client takes its time the endpoint owes nothing; while the endpoint does not read, it does.
  if (!ex.hasAnswered) up.expectWithin(hasRoom ? 0 : ex.pool!.spec.timeouts.firstByteMs);
}

export function end(ex: Exchange, trailers: Fields | null): void {
  ex.isRequestRead = true;
  ex.trailers = trailers;
  if (trailers !== null) dropNominated(trailers, ex.head);
  ex.down.resume(); // nothing is left to hold back, and only a socket that is read sees its client go
  if (ex.state === STATE.WAITING || ex.up === null) return;
  ex.up.end(trailers);
  ex.books.sentMs = ex.plane.clock();
  if (!ex.hasAnswered) attempt.awaitAnswer(ex, ex.up);
}
