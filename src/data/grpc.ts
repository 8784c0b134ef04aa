// What gRPC asks of a proxy beyond HTTP/2: its deadline is kept to, what Fermat answers itself is said in its own terms, and a
// status in the trailers tells how an endpoint does. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
// gRPC-Web is no gRPC here: its clients want HTTP's own answers, and read no trailers.

import { OUTCOME, type Outcome } from '../core/sample.ts';
import { addLine, FIELD, Fields } from '../wire/fields.ts';
import type { Message } from '../wire/framing.ts';
import type { RequestHead } from '../wire/request.ts';
import { type Problem, proxyStatusLine } from './errors.ts';

const TYPE = 'application/grpc';
const PLUS = 43;
const SEMICOLON = 59;
const SPACE = 32;

/** https://github.com/grpc/grpc/blob/master/doc/statuscodes.md; those that mean something here. */
export const RPC = {
  OK: 0,
  UNKNOWN: 2,
  DEADLINE_EXCEEDED: 4,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
/** What HTTP calls them, for whoever counts failures by status. */
const HTTP_STATUS: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];
const NO_STATUS = -1;

/** Whether a message is gRPC's, by its content-type: `application/grpc`, alone or with `+proto` and the like. */
export function isGrpc(head: Message): boolean {
  const at = head.find(FIELD.CONTENT_TYPE);
  if (at < 0 || !head.valueStartsWith(at, TYPE)) return false;
  const end = head.valueAt[at]! + TYPE.length;
  if (head.valueEnd[at] === end) return true;
  const next = head.text.charCodeAt(end);
  return next === PLUS || next === SEMICOLON || next === SPACE;
}

/** Whether a request is a gRPC call, which only HTTP/2 carries. */
export function isCall(head: RequestHead): boolean {
  return head.isH2 && isGrpc(head);
}

/** The time that the client gives a call, ms; -1 = none, or none that can be read (the endpoint may say so). Source: Timeout. */
export function timeoutMsOf(head: RequestHead): number {
  const i = head.findName('grpc-timeout');
  if (i < 0) return -1;
  const at = head.valueAt[i]!;
  const unitAt = head.valueEnd[i]! - 1;
  if (unitAt - at > 8) return -1;
  const value = decimalOf(head.text, at, unitAt);
  const unitMs = unitMsOf(head.text.charCodeAt(unitAt));
  return value < 0 || unitMs === 0 ? -1 : value * unitMs;
}

function unitMsOf(unit: number): number {
  switch (unit) {
    case 72: // H
      return 3_600_000;
    case 77: // M
      return 60_000;
    case 83: // S
      return 1000;
    case 109: // m
      return 1;
    case 117: // u
      return 1e-3;
    case 110: // n
      return 1e-6;
    default:
      return 0;
  }
}

// ── what an endpoint's answer says of it ───────────────────────────────────────────────────────────────────────────────

/** grpc-status in the trailers, or in the head of an answer that is nothing but trailers; -1 = none that can be read. */
export function rpcStatusOf(head: Fields | null, trailers: Fields | null): number {
  let fields = trailers;
  let i = fields === null ? -1 : fields.findName('grpc-status');
  if (i < 0) {
    fields = head;
    i = fields === null ? -1 : fields.findName('grpc-status');
  }
  if (i < 0) return NO_STATUS;
  const at = fields!.valueAt[i]!;
  const end = fields!.valueEnd[i]!;
  return end - at > 2 ? NO_STATUS : decimalOf(fields!.text, at, end);
}

/** 1*DIGIT at text[at, end); -1 for what is none. */
function decimalOf(text: string, at: number, end: number): number {
  if (at >= end) return -1;
  let value = 0;
  for (let p = at; p < end; p++) {
    const digit = text.charCodeAt(p) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * What a status says of the endpoint; the same as its like among HTTP's. A deadline that the client chose is the client's doing,
 * as when it hangs up: with a millisecond each, one client could have every endpoint ejected. Without one, whoever gave up was
 * the endpoint, or somebody behind it. What is no status at all is a broken answer: its client will take it for UNKNOWN.
 */
export function outcomeOf(status: number, hasDeadline: boolean): Outcome {
  switch (status) {
    case RPC.DEADLINE_EXCEEDED:
      return hasDeadline ? OUTCOME.CLIENT_GONE : OUTCOME.STATUS_5XX;
    case RPC.RESOURCE_EXHAUSTED:
      return OUTCOME.TOO_MANY;
    case RPC.UNKNOWN:
    case RPC.INTERNAL:
    case RPC.UNAVAILABLE:
    case RPC.DATA_LOSS:
      return OUTCOME.STATUS_5XX;
    case NO_STATUS:
      return OUTCOME.BAD_RESPONSE;
    default:
      return OUTCOME.OK;
  }
}

/** The status of HTTP that is most like it: 503 for UNAVAILABLE. */
export function httpStatusOf(status: number): number {
  return HTTP_STATUS[status] ?? 500;
}

// ── what Fermat answers itself ─────────────────────────────────────────────────────────────────────────────────────────

/** Lines of an answer that is nothing but trailers. */
export function renderCallProblem(p: Problem): string {
  const { status, message, pushback } = wordsOf(p);
  const retry = pushback === '' ? '' : `grpc-retry-pushback-ms: ${pushback}\r\n`;
  return `Content-Type: ${TYPE}\r\ngrpc-status: ${status}\r\ngrpc-message: ${message}\r\n${retry}${proxyStatusLine(p)}`;
}

/** The same for an answer that has begun: its end. */
export function trailersOf(p: Problem): Fields {
  const trailers = new Fields(2);
  const { status, message } = wordsOf(p);
  addLine(trailers, 'grpc-status', status);
  addLine(trailers, 'grpc-message', message);
  return trailers;
}

/** `pushback`: how long to wait before trying again, in the words of gRFC A6; '' = says nothing of it. */
function wordsOf(p: Problem): { status: string; message: string; pushback: string } {
  return {
    status: `${rpcOf(p)}`,
    message: p.message.replace(/[^\x20-\x24\x26-\x7e]/gu, encodeURIComponent),
    pushback: p.retryAfterS > 0 ? `${p.retryAfterS * 1000}` : '',
  };
}

/**
 * What a client would make of the HTTP status (doc/http-grpc-status-mapping.md), but told from here, where more is known:
 * what never reached an endpoint is UNAVAILABLE, which may be tried again; what would come to the same again is not.
 */
export function rpcOf({ status, type }: Problem): number {
  if (type === 'connection_timeout') return RPC.UNAVAILABLE;
  switch (status) {
    case 401:
      return RPC.UNAUTHENTICATED;
    case 403:
      return RPC.PERMISSION_DENIED;
    case 404:
      return RPC.UNIMPLEMENTED;
    case 408:
    case 504:
      return RPC.DEADLINE_EXCEEDED;
    case 413:
    case 431:
      return RPC.RESOURCE_EXHAUSTED;
    case 429:
    case 502:
    case 503:
      return RPC.UNAVAILABLE;
    default:
      return RPC.INTERNAL;
  }
}
