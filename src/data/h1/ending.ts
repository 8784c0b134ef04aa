// How answers and connections end over HTTP/1.1: on to the next request, the rest of a body nobody wants, half-closes, time-outs,
// and closing so that the client still gets what it was sent. Functions over the connection (server.ts), which owns the state.

import { FRAMING } from '../../wire/body.ts';
import { PROBLEM } from '../errors.ts';
import { awaitRequest, MAX_LEFTOVER_BYTES, refuse } from './intake.ts';
import { VERDICT } from './presence.ts';
import { PHASE, type ServerConnection } from './server.ts';

/** How long an answered connection is drained before it is destroyed: a reset would eat the answer. */
const LINGER_MS = 2000;

/** The answer is whole. */
export function finish(it: ServerConnection): void {
  it.flush();
  if (!it.answer.persist || it.phase > PHASE.ANSWERING) return close(it);
  if (it.phase === PHASE.ANSWERING) return next(it);
  // The endpoint did not want the whole body. A small rest is read away, a large or slow one costs the connection.
  const { head } = it.exchange;
  if (head.framing === FRAMING.LENGTH && head.length - it.body.received > MAX_LEFTOVER_BYTES) return close(it);
  it.leftover = 0;
  it.bodyPace.stop();
  it.plane.wheel.armIn(it, LINGER_MS);
  it.holding.goAll();
}

/**
 * Whether the connection outlives an answer of ours to a request whose body is still coming: what is left of it is known to be
 * small. A client that is turned away for asking too often shall not come back with another handshake.
 */
export function outlivesAnswer(it: ServerConnection, status: number): boolean {
  const { head } = it.exchange;
  if (head.framing !== FRAMING.LENGTH || head.length - it.body.received > MAX_LEFTOVER_BYTES) return false;
  // Whether one that expects something will send its body is its choice; one that is too slow or too large has been given up.
  return !head.expectContinue && !head.expectOther && status !== 408 && status !== 413;
}

/** Request and answer are over: what was read too far is the next request. */
export function next(it: ServerConnection): void {
  it.phase = PHASE.HEAD;
  it.leftover = -1;
  it.reader?.reset();
  if (!it.isLooping) takeUp(it); // else the loop goes on with what is left of its chunk
}

/** Goes on with what was read too far. */
export function takeUp(it: ServerConnection): void {
  const stash = it.holding.take();
  it.holding.goAll();
  if (stash !== null) it.process(stash, true);
  else awaitRequest(it);
}

/** Half-closes, and waits for the client to do the same. */
export function close(it: ServerConnection): void {
  if (it.phase === PHASE.DEAD) return;
  it.phase = PHASE.CLOSING;
  it.holding.take();
  const { wheel } = it.plane;
  // The time to linger counts from the last byte of the answer, however slowly it is read.
  if (it.answer.isFlushed) wheel.armIn(it, LINGER_MS);
  else {
    it.awaitDrain();
    wheel.arm(it, it.drainPace.dueMs);
  }
  it.socket.once('finish', () => {
    if (it.phase === PHASE.CLOSING) wheel.armIn(it, LINGER_MS);
  });
  it.socket.end();
  it.holding.goAll(); // to see its FIN
}

/** The answer cannot be completed. */
export function cut(it: ServerConnection): void {
  if (it.phase === PHASE.DEAD) return;
  const isVisible = it.answer.hasEnd;
  if (isVisible) it.flush();
  it.phase = PHASE.DEAD;
  it.answer.drop();
  // A body whose end is the close would look whole: only a reset tells. The others keep what they already got.
  if (isVisible) {
    if (!it.answer.isFlushed) it.plane.wheel.armIn(it, it.plane.limits.idleTimeoutMs);
    it.socket.destroySoon();
  } else it.socket.resetAndDestroy();
}

// ── the other end goes, or is silent ───────────────────────────────────────────────────────────────────────────────

export function onFin(it: ServerConnection): void {
  it.hasFin = true;
  switch (it.phase) {
    case PHASE.HEAD:
      if (it.isIdle) it.socket.end();
      else if (!it.isClogged) it.socket.destroy();
      return;
    case PHASE.BODY:
      return breakOff(it);
    case PHASE.ANSWERING: {
      if (it.holding.isEmpty) it.answer.persist = false;
      const nowMs = it.plane.wheel.stamp();
      it.presence.fin(nowMs - it.requestReadMs, it.answer.hasBegun);
      it.answer.hasWritten = false;
      it.plane.wheel.armIn(it, it.presence.nextMs);
      return;
    }
    case PHASE.TUNNEL:
      it.exchange.onTunnelFin();
      return;
  }
}

/** The request will not become whole, and is never completed by us (RFC 9112, 8). An answer that it has got stays one. */
export function breakOff(it: ServerConnection): void {
  if (it.leftover >= 0) close(it);
  else it.socket.destroy();
}

export function onDeadline(it: ServerConnection, nowMs: number): void {
  switch (it.phase) {
    case PHASE.HEAD:
      if (it.headStarted) refuse(it, PROBLEM.requestTimeout);
      else if (it.isClogged) drainOrDestroy(it, nowMs);
      else close(it);
      return;
    case PHASE.BODY:
      if (it.leftover >= 0) close(it);
      else if (it.bodyPace.isTooSlow(nowMs)) it.exchange.onRequestBroken(PROBLEM.requestTimeout);
      else drainOrDestroy(it, nowMs);
      return;
    case PHASE.ANSWERING:
      if (!it.hasFin) drainOrDestroy(it, nowMs);
      else if (!isStillThere(it)) it.socket.destroy();
      return;
    case PHASE.TUNNEL:
      return drainOrDestroy(it, nowMs);
    case PHASE.CLOSING:
      if (it.drainPace.isRunning && !it.answer.isFlushed && !it.drainPace.isTooSlow(nowMs))
        return it.plane.wheel.arm(it, it.drainPace.dueMs);
  }
  it.socket.destroy();
}

/** Goes on waiting for a client that takes its answer, in however many pieces. */
function drainOrDestroy(it: ServerConnection, nowMs: number): void {
  if (it.drainPace.isTooSlow(nowMs)) it.socket.destroy();
  else it.watch();
}

/** Of a client that has said its last byte. Judged again later unless the answer is no. */
function isStillThere(it: ServerConnection): boolean {
  const { answer, presence } = it;
  const { limits, wheel } = it.plane;
  const verdict = presence.judge(
    answer.hasBegun,
    !answer.isOldClient,
    answer.hasWritten,
    !answer.isFlushed,
    limits.idleTimeoutMs,
  );
  if (verdict === VERDICT.GONE) return false;
  if (verdict === VERDICT.ASK) it.interim(null, 102);
  answer.hasWritten = false;
  if (presence.nextMs > 0) wheel.armIn(it, presence.nextMs);
  return true;
}
