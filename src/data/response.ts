// What an endpoint's answer does to an exchange: interim heads, the final head, body, end; and the tunnel after a 101.

import { OUTCOME } from '../core/sample.ts';
import { FRAMING } from '../wire/body.ts';
import { FIELD, type Fields } from '../wire/fields.ts';
import { dropNominated } from '../wire/framing.ts';
import type { ResponseHead } from '../wire/response.ts';
import { answeredBadly, retryStatus, unsent } from './attempt.ts';
import * as compress from './compress.ts';
import { type Exchange, STATE } from './exchange.ts';
import { httpStatusOf, outcomeOf, RPC, rpcStatusOf } from './grpc.ts';
import { planResponse } from './headers.ts';
import { attemptsOf } from './hedge.ts';
import { isUnsent } from './overlay/serve.ts';
import { countRetry, RETRY_RESULT } from './retry.ts';
import { outcomeOfStatus, settleAttempt } from './settle.ts';
import { Tunnel } from './tunnel.ts';
import { NEVER } from './wheel.ts';

/** A closed tunnel's other side may take this long to say its last bytes, ms. */
const TUNNEL_LINGER_MS = 2000;
const DAY_MS = 86_400_000;
/** Interim heads of one request. Nobody holds them back for a slow client, so an endpoint without measure is not to fill memory. */
const MAX_INTERIM_BYTES = 256 * 1024;

export function head(ex: Exchange, answer: ResponseHead): void {
  const { status } = answer;
  ex.books.sawBytes = true;
  if (status === 101) return switchProtocols(ex, answer);
  if (status < 200) return interim(ex, answer);
  // To an extended CONNECT any 2xx says that the tunnel is there (RFC 8441, 5), and this endpoint did not switch.
  if (ex.head.isExtendedConnect && status < 300) return answeredBadly(ex);
  if (status >= 400 && ex.books.endpoint!.via !== undefined && isUnsent(answer)) return unsent(ex, status);
  const pool = ex.pool!;
  const route = ex.route!;
  ex.books.firstByteMs = ex.plane.wheel.nowMs;
  ex.books.status = status;
  if (status === 429 || status === 503) ex.books.retryAfterMs = retryAfterOf(answer);
  if (pool.retryStatuses.has(status) && retryStatus(ex, status)) return;
  if (ex.hedge !== null) ex.hedge.drop(true);
  if (ex.attempts > 1) countRetry(ex, status < 500 ? RETRY_RESULT.SUCCESS : RETRY_RESULT.FAILURE);
  ex.hasAnswered = true;
  ex.answer = answer;
  ex.replay.drop();
  ex.state = STATE.ANSWERING;
  ex.idleMs = isStream(answer) ? 0 : pool.spec.timeouts.bodyIdleMs;
  ex.up!.expectWithin(ex.idleMs);
  keepLength(answer);
  let extra = planResponse(answer, route) + ex.limitLines;
  if (route.spec.serverTiming) extra += timingLines(ex);
  if (route.compress !== null) compress.begin(ex, route.compress, answer, extra);
  else ex.down.head(status, answer.reason, answer, extra, answer.framing, answer.length);
  ex.owes100 = false;
}

function interim(ex: Exchange, answer: ResponseHead): void {
  if (answer.status === 100) {
    if (!ex.owes100) return;
    ex.owes100 = false;
  }
  ex.books.interimBytes += answer.text.length;
  if (ex.books.interimBytes > MAX_INTERIM_BYTES) return answeredBadly(ex);
  ex.down.interim(answer, answer.status);
}

/** An answer without a body may still say how long the body would be: to HEAD, and in a 304. */
function keepLength(answer: ResponseHead): void {
  if (answer.framing !== FRAMING.NONE || answer.status === 204) return;
  const at = answer.find(FIELD.CONTENT_LENGTH);
  if (at >= 0) answer.drop[at] = 0;
}

/** Streams that are silent by nature are not timed. */
function isStream(answer: ResponseHead): boolean {
  const at = answer.find(FIELD.CONTENT_TYPE);
  return at >= 0 && (answer.valueStartsWith(at, 'text/event-stream') || answer.valueStartsWith(at, 'application/grpc'));
}

/** Retry-After, in seconds or as a date, ms from now. 0 = none; a day at most. */
function retryAfterOf(answer: ResponseHead): number {
  const at = answer.find(FIELD.RETRY_AFTER);
  if (at < 0) return 0;
  const value = answer.value(at);
  if (/^[0-9]{1,9}$/.test(value)) return Math.min(Number(value) * 1000, DAY_MS);
  const ms = value.endsWith(' GMT') ? Date.parse(value) - Date.now() : 0;
  return ms > 0 ? Math.min(ms, DAY_MS) : 0;
}

/** Attempts at an endpoint that were begun for this request, those beside another counted, too. */
export function attemptsLine(ex: Exchange): string {
  return `X-Fermat-Attempts: ${attemptsOf(ex)}\r\n`;
}

function timingLines(ex: Exchange): string {
  const { books } = ex;
  const upstreamMs = books.firstByteMs - books.sentMs;
  const ownMs = books.firstByteMs - books.startMs - upstreamMs;
  const server = `Server-Timing: fermat;dur=${ownMs.toFixed(2)}, endpoint;dur=${upstreamMs.toFixed(2)}\r\n`;
  return `${server}X-Fermat-Endpoint: ${books.endpoint!.id}\r\n${attemptsLine(ex)}`;
}

export function chunk(ex: Exchange, bytes: Buffer, from: number, to: number): void {
  ex.books.responseBytes += to - from;
  const up = ex.up!;
  if (forward(ex, bytes, from, to)) {
    if (ex.idleMs > 0) up.expectWithin(ex.idleMs);
    return;
  }
  up.pause();
  up.expectWithin(0); // it is the client who is slow now, or our compressor
  ex.books.hold(ex.plane.wheel.nowMs);
}

function forward(ex: Exchange, bytes: Buffer, from: number, to: number): boolean {
  if (ex.tunnel !== null) return ex.tunnel.fromEndpoint(bytes, from, to);
  return ex.coder === null ? ex.down.chunk(bytes, from, to) : ex.coder.chunk(bytes, from, to);
}

export function end(ex: Exchange, trailers: Fields | null): void {
  const up = ex.up!;
  if (trailers !== null && ex.answer !== null) dropNominated(trailers, ex.answer);
  const isHandedOver = ex.coder === null || ex.coder.end(trailers);
  if (isHandedOver) ex.down.flush();
  settle(ex, trailers);
  // Both are free before the client's next request may want them.
  up.release();
  if (!isHandedOver) return compress.awaitCoder(ex);
  ex.finish();
  ex.down.end(trailers);
}

/** What the whole answer says of the endpoint: its status; of a gRPC call that got as far, the one at its end. */
function settle(ex: Exchange, trailers: Fields | null): void {
  const { status } = ex.books;
  if (ex.isCall && status === 200) {
    const rpc = rpcStatusOf(ex.answer, trailers);
    if (ex.books.span !== null) ex.books.span.rpc = rpc < 0 ? RPC.UNKNOWN : rpc; // what its client takes it for
    return settleAttempt(ex, outcomeOf(rpc, ex.deadlineAtMs !== NEVER), httpStatusOf(rpc));
  }
  settleAttempt(ex, outcomeOfStatus(status), status);
}

// ── tunnel ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Only what was asked for is switched to (RFC 9110, 7.8), and only now does either side become raw bytes. */
function switchProtocols(ex: Exchange, answer: ResponseHead): void {
  if (ex.head.upgrade === '' || answer.upgrade.toLowerCase() !== 'websocket' || !ex.isRequestRead)
    return answeredBadly(ex);
  const up = ex.up!;
  ex.books.firstByteMs = ex.plane.wheel.nowMs;
  ex.books.status = 101;
  ex.hasAnswered = true;
  ex.replay.drop();
  ex.state = STATE.TUNNEL;
  ex.tunnel = new Tunnel(ex);
  ex.plane.tunnels.add(ex.tunnel);
  ex.idleMs = ex.pool!.spec.timeouts.tunnelIdleMs;
  const extra = `${planResponse(answer, ex.route!)}Connection: Upgrade\r\nUpgrade: websocket\r\n`;
  ex.down.head(101, answer.reason, answer, extra, FRAMING.NONE, 0);
  settleAttempt(ex, OUTCOME.OK, 101);
  up.tunnel();
  up.expectWithin(ex.idleMs);
  ex.down.tunnel();
  ex.flush();
}

export function tunnelFromClient(ex: Exchange, bytes: Buffer, from: number, to: number): void {
  const up = ex.up!;
  up.expectWithin(ex.idleMs);
  ex.bodyBytes += to - from;
  if (!ex.tunnel!.fromClient(bytes, from, to)) ex.down.pause();
}

/** The client has said its last byte: the endpoint gets it, and a little time to answer. */
export function tunnelFin(ex: Exchange): void {
  if (ex.tunnel !== null) ex.tunnel.hasFin = true;
  ex.up?.end(null);
  ex.up?.expectWithin(TUNNEL_LINGER_MS);
}
