// Why a probe failed, in a kind for the health rules and a few words for people. Every text a probe can give is made here.

import { errors } from 'undici';
import type { ProbeResult, ProbeSpec } from '../types.ts';

export type FailureKind = NonNullable<ProbeResult['failure']>;

/** What the phases of a probe throw. */
export class ProbeFailure extends Error {
  readonly kind: FailureKind;
  /** It failed before any byte of an answer came. */
  readonly isBeforeAnswer: boolean;
  /** The probe's time was over. */
  readonly isLate: boolean;
  constructor(kind: FailureKind, text: string, isBeforeAnswer = false, isLate = false) {
    super(text);
    this.name = 'ProbeFailure';
    this.kind = kind;
    this.isBeforeAnswer = isBeforeAnswer;
    this.isLate = isLate;
  }
}

/** Node's texts for these are long or riddles. */
const TLS_TEXTS: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate is for another name',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no TLS there (it answers in plain text)',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'no TLS there (it answers in plain text)',
  ECONNRESET: 'connection closed during the TLS handshake',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate is signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate is signed by an unknown authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self-signed certificate in the chain',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not valid yet',
};

/** Codes of undici and node:http2 for a connection that went away. */
const CLOSED: ReadonlySet<string> = new Set([
  'UND_ERR_SOCKET',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_HTTP2_INVALID_SESSION',
  'ERR_HTTP2_GOAWAY_SESSION',
]);

/** RFC 9113, 7, where node gives but the number. */
const H2_ERRORS: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
const RPC_STATUSES: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

const SHORT = 100;

/** `connect ECONNREFUSED`, `dns ENOTFOUND`. */
export function codedFailure(kind: 'dns' | 'connect', error: unknown): ProbeFailure {
  return new ProbeFailure(kind, `${kind} ${codeOf(error) ?? messageOf(error)}`, true);
}

export function tlsFailure(error: unknown): ProbeFailure {
  const code = codeOf(error);
  const known = code === null ? undefined : TLS_TEXTS[code];
  // OpenSSL: `error:0A000410:SSL routines::sslv3 alert handshake failure`; only the end of it is for people.
  return new ProbeFailure('tls', known ?? messageOf(error).replace(/^.*SSL routines:[^:]*:/, ''), true);
}

/** What undici or node:http2 says when a request came to nothing. */
export function requestFailure(error: unknown, isBeforeAnswer: boolean): ProbeFailure {
  const code = codeOf(error);
  const where = isBeforeAnswer ? 'before an answer' : 'in the middle of the answer';
  if (error instanceof errors.HTTPParserError) {
    const reason = /\((.*)\)$/.exec(messageOf(error))?.[1] ?? messageOf(error);
    return new ProbeFailure('protocol', `bad HTTP: ${reason}`);
  }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return new ProbeFailure('protocol', 'bad HTTP: the head is too long');
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
    return new ProbeFailure('protocol', 'connection closed in the middle of the answer');
  }
  if (code === 'ERR_HTTP2_ERROR') {
    const reason = messageOf(error).toLowerCase();
    return new ProbeFailure('protocol', isBeforeAnswer ? `no HTTP/2 there (${reason})` : `bad HTTP/2: ${reason}`);
  }
  if (code === 'ERR_HTTP2_STREAM_ERROR' || code === 'ERR_HTTP2_SESSION_ERROR') {
    const what = code === 'ERR_HTTP2_STREAM_ERROR' ? 'request reset' : 'connection closed';
    const why = /error code (?:NGHTTP2_)?(\w+)$/.exec(messageOf(error))?.[1] ?? 'unknown';
    return new ProbeFailure('protocol', `${what} (${H2_ERRORS[Number(why)] ?? why}) ${where}`, isBeforeAnswer);
  }
  if (code !== null && CLOSED.has(code))
    return new ProbeFailure('protocol', `connection closed ${where}`, isBeforeAnswer);
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    return new ProbeFailure('protocol', `connection reset ${where}`, isBeforeAnswer);
  }
  return new ProbeFailure('protocol', short(messageOf(error)), isBeforeAnswer);
}

/** What the phase that ran out of time is to say. A silent connect counts as a failed one: nothing can be served. */
export function timeoutFailure(phase: 'dns' | 'connect' | 'tls' | 'answer' | 'body', timeoutMs: number): ProbeFailure {
  const time = durationText(timeoutMs);
  if (phase === 'answer') return new ProbeFailure('timeout', `no answer in ${time}`, true, true);
  if (phase === 'body') return new ProbeFailure('timeout', `body not complete in ${time}`, false, true);
  return new ProbeFailure(phase, `${phase}: no answer in ${time}`, true, true);
}

export function statusFailure(status: number, expected: ProbeSpec['expectStatus']): ProbeFailure {
  const ranges = expected.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
  return new ProbeFailure('status', `status ${status}, expected ${ranges}`);
}

/** The service says itself that it does not serve. `service`: '' = the server as a whole. */
export function healthFailure(health: string, service: string): ProbeFailure {
  return new ProbeFailure('status', `health ${health}${service === '' ? '' : ` of ${service}`}, expected SERVING`);
}

export function notGrpcFailure(contentType: string): ProbeFailure {
  const got = contentType === '' ? 'no content-type' : `content-type ${JSON.stringify(short(contentType))}`;
  return new ProbeFailure('protocol', `it does not speak gRPC (${got})`);
}

/** The call itself failed. `message` is percent-encoded, as gRPC sends it. */
export function rpcFailure(code: string, message: unknown, { service }: ProbeSpec): ProbeFailure {
  const name = RPC_STATUSES[Number(code)] ?? short(code);
  if (name === 'UNIMPLEMENTED') {
    return new ProbeFailure('status', 'it has no grpc.health.v1.Health (UNIMPLEMENTED)');
  }
  if (name === 'NOT_FOUND') {
    return new ProbeFailure('status', `it does not know the service ${JSON.stringify(service)} (NOT_FOUND)`);
  }
  const said = typeof message === 'string' && message !== '' ? `: ${short(decoded(message))}` : '';
  return new ProbeFailure('status', `grpc-status ${name}${said}, expected OK`);
}

function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

export function bodyFailure(expected: string): ProbeFailure {
  return new ProbeFailure('body', `body lacks ${JSON.stringify(short(expected))}`);
}

/** `1s`, `1.5s`, `250ms`. */
export function durationText(ms: number): string {
  return ms >= 1000 ? `${Math.round(ms / 100) / 10}s` : `${Math.round(ms)}ms`;
}

function codeOf(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : null;
}

function messageOf(error: unknown): string {
  return short(error instanceof Error ? error.message : String(error));
}

function short(text: string): string {
  return text.length > SHORT ? `${text.slice(0, SHORT - 1)}…` : text;
}
