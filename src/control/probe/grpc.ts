// gRPC's own health check (grpc.health.v1.Health/Check) by hand: one string goes out and one enumeration comes back, which is
// less than any library for it. https://github.com/grpc/grpc/blob/master/doc/health-checking.md
//
//   HealthCheckRequest  { string service = 1; }
//   HealthCheckResponse { ServingStatus status = 1; }        0 UNKNOWN · 1 SERVING · 2 NOT_SERVING · 3 SERVICE_UNKNOWN

import type { OutgoingHttpHeaders } from 'node:http2';
import type { ProbeSpec } from '../types.ts';
import type { Address } from './dial.ts';
import { healthFailure, notGrpcFailure, ProbeFailure, rpcFailure, statusFailure, timeoutFailure } from './failure.ts';
import { type AnswerFields, Verdict } from './line.ts';

const PATH = '/grpc.health.v1.Health/Check';
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;
const SERVING = 1;
/** A message's head: one byte that says whether it is compressed, four of its length. */
const PREFIX_BYTES = 5;
/** A health answer has two bytes; what is much longer is none. */
const MOST_BYTES = 1024;
/** grpc-timeout has room for eight digits. */
const MOST_TIMEOUT_MS = 99_999_999;

export function healthHeaders(spec: ProbeSpec, to: Address): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':scheme': to.scheme === 'h2' ? 'https' : 'http',
    ':authority': spec.host ?? to.authority,
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': `${Math.min(Math.ceil(spec.timeoutMs), MOST_TIMEOUT_MS)}m`,
    'user-agent': 'fermat-probe',
  };
}

/** The request with its prefix. `service`: '' = the server as a whole; at most 127 bytes (the configuration sees to it). */
export function healthCheck(service: string): Buffer {
  const name = Buffer.from(service);
  // A field at its default is left out.
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The status in a body of one message, by name; null when that is not what it is. */
export function healthStatusOf(body: Buffer): string | null {
  if (body.length < PREFIX_BYTES || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX_BYTES) return null;
  const message = body.subarray(PREFIX_BYTES);
  if (message.length === 0) return STATUSES[0];
  const status = message[0] === 0x08 ? message[1] : undefined;
  return status === undefined ? null : (STATUSES[status] ?? null);
}

export class GrpcVerdict extends Verdict {
  readonly #spec: ProbeSpec;
  #head: AnswerFields = {};
  #body: Buffer[] = [];
  #bodyBytes = 0;

  constructor(spec: ProbeSpec, clock: () => number) {
    super(clock);
    this.#spec = spec;
  }

  head(status: number, fields: AnswerFields): void {
    this.status = status;
    this.#head = fields;
    const type = String(fields['content-type'] ?? '');
    if (status !== 200) this.failure = statusFailure(status, [[200, 200]]);
    else if (!/^application\/grpc(?:$|[+; ])/i.test(type)) this.failure = notGrpcFailure(type);
  }

  body(chunk: Buffer): boolean {
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes <= MOST_BYTES) this.#body.push(chunk);
    else this.failure ??= new ProbeFailure('protocol', 'bad gRPC: more than a health answer');
    return this.failure !== null;
  }

  end(trailers: AnswerFields): void {
    if (this.failure !== null) return;
    // An answer of nothing but trailers has them for its head.
    const last = trailers['grpc-status'] === undefined ? this.#head : trailers;
    const code = last['grpc-status'];
    const health = healthStatusOf(Buffer.concat(this.#body));
    if (code === undefined) this.failure = new ProbeFailure('protocol', 'bad gRPC: no grpc-status');
    else if (Number(code) !== 0) this.failure = rpcFailure(String(code), last['grpc-message'], this.#spec);
    else if (health === null) this.failure = new ProbeFailure('protocol', 'bad gRPC: not a health answer');
    else if (health !== STATUSES[SERVING]) this.failure = healthFailure(health, this.#spec.service);
  }

  protected late(timeoutMs: number): void {
    this.failure = timeoutFailure('body', timeoutMs);
  }
}
