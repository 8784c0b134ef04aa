// Why a probe failed, in a kind for the health rules and a few words for people. Every text a probe can give is made here.

import { errors } from 'undici';
import type { ProbeResult, ProbeSpec } from '../types.ts';

export type FailureKind = NonNullable<ProbeResult['failure']>;

/** What the phases of a probe throw. */
export class ProbeFailure extends Error {
  readonly kind: FailureKind;
  /** It failed before any byte of an answer came. */
  readonly isBeforeAnswer: boolean;
  constructor(kind: FailureKind, text: string, isBeforeAnswer = false) {
    super(text);
    this.name = 'ProbeFailure';
    this.kind = kind;
    this.isBeforeAnswer = isBeforeAnswer;
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

/** What undici says when a request came to nothing. */
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
  if (code === 'UND_ERR_SOCKET') return new ProbeFailure('protocol', `connection closed ${where}`, isBeforeAnswer);
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    return new ProbeFailure('protocol', `connection reset ${where}`, isBeforeAnswer);
  }
  return new ProbeFailure('protocol', short(messageOf(error)), isBeforeAnswer);
}

/** What the phase that ran out of time is to say. A silent connect counts as a failed one: nothing can be served. */
export function timeoutFailure(phase: 'dns' | 'connect' | 'tls' | 'answer' | 'body', timeoutMs: number): ProbeFailure {
  const time = durationText(timeoutMs);
  if (phase === 'answer') return new ProbeFailure('timeout', `no answer in ${time}`, true);
  if (phase === 'body') return new ProbeFailure('timeout', `body not complete in ${time}`);
  return new ProbeFailure(phase, `${phase}: no answer in ${time}`, true);
}

export function statusFailure(status: number, expected: ProbeSpec['expectStatus']): ProbeFailure {
  const ranges = expected.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
  return new ProbeFailure('status', `status ${status}, expected ${ranges}`);
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
