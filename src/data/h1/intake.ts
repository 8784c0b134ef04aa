// The requests of an HTTP/1.1 connection as they come in: heads and bodies, and those that cannot be understood. Functions over
// the connection, which owns the state (server.ts); each gives where to read on, or -1 when the chunk holds no more for now.

import { UNSENT_FIELD, UNSENT_VALUE } from '../../core/overlay/hop.ts';
import { BODY } from '../../wire/body.ts';
import { faultOf } from '../../wire/fault.ts';
import type { Fields } from '../../wire/fields.ts';
import type { RequestHead } from '../../wire/request.ts';
import { kept } from '../buffers.ts';
import { type Problem, problemOfFault, renderProblem } from '../errors.ts';
import { close, next } from './ending.ts';
import { BEGINS, beginningOf, type Preface } from './preface.ts';
import { PHASE, type ServerConnection } from './server.ts';

/** What is read of a body after an endpoint has answered early, so that the connection can go on. */
export const MAX_LEFTOVER_BYTES = 256 * 1024;

const UNSENT_LINE = `${UNSENT_FIELD}: ${UNSENT_VALUE}\r\n`;

/** Bytes of a connection that may yet turn out to speak HTTP/2. */
export function readFirst(it: ServerConnection, chunk: Buffer, onPreface: Preface): void {
  const stash = it.holding.take();
  const bytes = stash === null ? chunk : Buffer.concat([stash, chunk]);
  switch (beginningOf(bytes)) {
    case BEGINS.ELSE:
      it.onPreface = null;
      return it.process(bytes, bytes !== chunk);
    case BEGINS.MAYBE:
      it.holding.keep(kept(bytes, 0, bytes.length));
      if (stash === null) it.plane.wheel.armIn(it, it.plane.limits.headTimeoutMs);
      return;
    case BEGINS.H2:
      it.handOver();
      onPreface(bytes);
  }
}

export function readHead(it: ServerConnection, chunk: Buffer, at: number): number {
  const reader = it.reader ?? it.borrowReader();
  const end = reader.feed(chunk, at);
  if (end >= 0) {
    startRequest(it, reader.head);
    return end;
  }
  if (reader.fault !== 0) {
    const { status, detail, proxyStatus } = faultOf(reader.fault);
    refuse(it, problemOfFault(status, detail, proxyStatus));
    return -1;
  }
  if (!it.headStarted && !reader.isUntouched) {
    it.headStarted = true;
    it.plane.wheel.armIn(it, it.plane.limits.headTimeoutMs);
  }
  return -1;
}

function startRequest(it: ServerConnection, head: RequestHead): void {
  const { plane, body } = it;
  it.headStarted = false;
  it.isAwaiting = false;
  it.answer.begin(head, !plane.endsConnections);
  body.begin(head.framing, head.length);
  const hasBody = !body.isDone;
  const { nowMs } = plane.wheel;
  if (hasBody) {
    it.phase = PHASE.BODY;
    it.awaitBody();
  } else {
    it.phase = PHASE.ANSWERING;
    it.requestReadMs = nowMs;
    plane.wheel.disarm(it);
  }
  it.exchange.begin(head, hasBody, nowMs);
}

export function readBody(it: ServerConnection, chunk: Buffer, at: number): number {
  const { body } = it;
  const code = body.read(chunk, at);
  if (code === BODY.DATA) {
    if (it.leftover < 0) {
      it.bodyPace.moved(body.to - body.from, it.plane.wheel.nowMs);
      it.exchange.onRequestChunk(chunk, body.from, body.to);
    } else {
      it.leftover += body.to - body.from;
      if (it.leftover > MAX_LEFTOVER_BYTES) close(it);
    }
    // A body of known length is over with its last byte; a chunked one tells by itself.
    if (it.phase === PHASE.BODY && body.isDone) endRequest(it, null);
    return body.at;
  }
  if (code === BODY.MORE) return -1;
  if (code === BODY.END) {
    endRequest(it, body.trailers);
    return body.at;
  }
  const { status, detail, proxyStatus } = faultOf(body.fault);
  it.exchange.onRequestBroken(problemOfFault(status, detail, proxyStatus));
  return -1;
}

function endRequest(it: ServerConnection, trailers: Fields | null): void {
  if (it.leftover >= 0) return next(it);
  it.phase = PHASE.ANSWERING;
  it.requestReadMs = it.plane.wheel.nowMs;
  it.bodyPace.stop();
  it.watch();
  it.exchange.onRequestEnd(trailers !== null && trailers.count > 0 ? trailers : null);
}

/** A request that cannot be understood: answered, and nothing behind it is read. */
export function refuse(it: ServerConnection, problem: Problem): void {
  it.answer.persist = false;
  it.answer.isHeadRequest = it.reader?.isHead === true;
  it.plane.countRefusal(problem.status, it.peer, problem);
  const { fields, body } = renderProblem(problem, false);
  // What an edge adds to a request may be what is too much here, and is not on another way.
  const isOfPeer = it.plane.generation.overlay?.spec.listener === it.peer.listener;
  it.reply(problem.status, isOfPeer ? fields + UNSENT_LINE : fields, body);
}

/** Between two requests: the next one may come, or the connection has had its time. */
export function awaitRequest(it: ServerConnection): void {
  it.layReaderBack();
  const { plane } = it;
  if (it.hasFin || (plane.isDraining && plane.isClosingIdle)) return close(it);
  if (it.isAwaiting) return; // blank lines before a request (RFC 9112, 2.2) are none
  it.isAwaiting = true;
  plane.wheel.armIn(it, plane.limits.idleTimeoutMs);
}
