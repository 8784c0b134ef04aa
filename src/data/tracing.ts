// Traces of requests, as a worker sees them: which requests have one, what is noted of them on their way, what endpoints are told,
// and how finished ones go to the control plane, a few at a time. A request that is not traced pays for one look at `ex.trace`
// at each of these places and, while traces are on, for one draw.

import { randomFillSync } from 'node:crypto';
import { OUTCOME, type Outcome } from '../core/sample.ts';
import { NONE } from '../core/snapshot.ts';
import {
  isSampled,
  isTracestate,
  NO_PARENT,
  parentFlags,
  parentIdAt,
  SpanAllowance,
  TRACE_FLAG,
  type TracingSpec,
  traceIdAt,
  traceparentOf,
} from '../core/trace.ts';
import { type AttemptRecord, NO_RPC, type TraceBatch, type TraceRecord } from '../core/trace-spans.ts';
import { FIELD } from '../wire/fields.ts';
import type { RequestHead } from '../wire/request.ts';
import { QueryRedaction } from './access/redact.ts';
import type { Exchange } from './exchange.ts';
import { rpcOf } from './grpc.ts';
import { dropNamed, joined } from './headers.ts';
import { clientAddress } from './request.ts';
import type { Books } from './settle.ts';

/** So many finished spans are sent on at once, without waiting for the beat. */
const BATCH_SPANS = 64;
/** Spans that wait here or are on their way to the control plane, at most: what it does not keep up with is thrown away. */
const MAX_WAITING_SPANS = 4096;
/** Of most traces. */
const USUAL_SPANS = 2;
/** Random bytes are fetched so many at a time: fetching costs about a microsecond whatever their number. */
const POOL_BYTES = 4096;
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
/** Of what clients say, in characters: more is cut off. */
const MAX_PATH = 2048;
const MAX_TEXT = 256;
/** A longer tracestate is passed on, but not kept. */
const MAX_STATE = 2048;

/** Of one worker. */
export class Tracer {
  readonly #random: () => number;
  readonly #lanes: number;
  readonly #send: (batch: TraceBatch) => void;
  readonly #allowance = new SpanAllowance();
  readonly #pool = Buffer.alloc(POOL_BYTES);
  #poolAt = POOL_BYTES;
  /** For the names of the Snapshot that asked last. */
  #redacted: readonly string[] = [];
  #redaction = new QueryRedaction([]);
  #done: TraceRecord[] = [];
  #spans = 0;
  /** Sent, and not taken yet. */
  #sentSpans = 0;
  #dropped = 0;
  #limited = 0;

  /** `lanes`: workers that share what the node may make. */
  constructor(random: () => number, lanes: number, send: (batch: TraceBatch) => void) {
    this.#random = random;
    this.#lanes = lanes;
    this.#send = send;
  }

  /** The trace of a request that has just begun; null = it has none. The head is in `ex.head`. */
  begin(ex: Exchange, spec: TracingSpec): TraceRecord | null {
    const { head } = ex;
    const { isTrusted } = ex.down.peer;
    const flags = isTrusted && spec.parentBased ? flagsOf(head) : NO_PARENT;
    if (!isSampled(spec, flags, isTrusted, this.#random)) return null;
    const perSecond = spec.maxSpansPerSecond / this.#lanes;
    if (this.#allowance.take(USUAL_SPANS, perSecond, ex.plane.wheel.nowMs)) return this.#open(ex, spec);
    this.#limited++;
    return null;
  }

  #open(ex: Exchange, spec: TracingSpec): TraceRecord {
    const { head, books } = ex;
    const { peer } = ex.down;
    const flags = flagsOf(head);
    const parentAt = flags === NO_PARENT ? -1 : head.valueAt[head.find(FIELD.TRACEPARENT)]!;
    const state = parentAt < 0 ? '' : joined(head, FIELD.TRACESTATE);
    const agent = head.find(FIELD.USER_AGENT);
    return {
      traceId: parentAt < 0 ? this.#id(TRACE_ID_BYTES) : traceIdAt(head.text, parentAt),
      spanId: this.#id(SPAN_ID_BYTES),
      parentId: parentAt < 0 ? '' : parentIdAt(head.text, parentAt),
      flags: TRACE_FLAG.SAMPLED | (parentAt < 0 ? 0 : flags & TRACE_FLAG.RANDOM),
      state: state.length <= MAX_STATE && isTracestate(state) ? state : '',
      isTold: false,
      startMs: books.startMs,
      endMs: -1,
      method: head.method.slice(0, MAX_TEXT),
      methodId: head.methodId,
      isTls: peer.tls !== null,
      path: withoutQuery(head.path),
      sentPath: '',
      query: this.#queryOf(head.path, spec),
      host: head.host.slice(0, MAX_TEXT),
      port: head.port,
      version: head.isH2 ? '2' : head.minor === 0 ? '1.0' : '1.1',
      agent: agent < 0 ? '' : head.value(agent).slice(0, MAX_TEXT),
      client: clientAddress(ex).slice(0, MAX_TEXT),
      peer: peer.address,
      requestId: '',
      route: '',
      pool: '',
      status: 0,
      problem: '',
      isCall: ex.isCall,
      rpc: NO_RPC,
      cohort: 0,
      requestBytes: 0,
      responseBytes: 0,
      attempts: [],
    };
  }

  /** Less its secrets. */
  #queryOf(path: string, { redactQuery }: TracingSpec): string {
    const at = path.indexOf('?');
    if (at < 0) return '';
    if (redactQuery !== this.#redacted) {
      this.#redacted = redactQuery;
      this.#redaction = new QueryRedaction(redactQuery);
    }
    return this.#redaction.redact(path, at + 1, path.length).slice(0, MAX_PATH);
  }

  /** Another attempt of `ex`, which has a trace. `role`: what its endpoint was just picked for; NONE = nothing was picked. */
  attempt(ex: Exchange, books: Books, role: number): AttemptRecord {
    const { id, host, port, socketPath, scheme, region, via } = books.endpoint!;
    const attempt: AttemptRecord = {
      spanId: this.#id(SPAN_ID_BYTES),
      endpoint: id,
      host: socketPath ?? host,
      port: socketPath === null ? port : 0,
      scheme,
      region,
      via: via?.peer ?? '',
      role,
      scoreMs: role === NONE ? Number.NaN : ex.generation.selector.scoreMs,
      decision: books.decision,
      startMs: ex.plane.clock(),
      isHedge: false,
      queuedMs: -1,
      connectingMs: -1,
      readyMs: -1,
      isReused: false,
      sentMs: -1,
      firstByteMs: -1,
      endMs: -1,
      outcome: OUTCOME.CLIENT_GONE,
      status: 0,
      rpc: NO_RPC,
      error: '',
    };
    ex.trace!.attempts.push(attempt);
    return attempt;
  }

  /** The exchange is over. */
  end(ex: Exchange, trace: TraceRecord): void {
    const { books, route, pool } = ex;
    ex.trace = null;
    trace.endMs = ex.plane.clock();
    trace.status = books.status;
    trace.problem = books.problem?.code ?? '';
    if (trace.isCall && books.problem !== null) trace.rpc = rpcOf(books.problem);
    trace.route = route?.spec.name ?? '';
    trace.cohort = books.cohort;
    trace.requestBytes = ex.bodyBytes;
    trace.responseBytes = books.responseBytes;
    if (pool !== null) {
      trace.pool = pool.spec.name;
      trace.sentPath = withoutQuery(ex.path);
      trace.requestId = ex.plan.requestIdOf(ex.head).slice(0, MAX_TEXT);
    }
    const spans = 1 + trace.attempts.length;
    this.#allowance.spend(spans - USUAL_SPANS);
    if (this.#spans + this.#sentSpans + spans > MAX_WAITING_SPANS) {
      this.#dropped += spans;
      return;
    }
    this.#done.push(trace);
    this.#spans += spans;
    if (this.#spans >= BATCH_SPANS) this.flush();
  }

  /** Sends on what is finished. To be called a few times a second, and at the end. */
  flush(): void {
    if (this.#spans === 0 && this.#dropped === 0 && this.#limited === 0) return;
    const batch = { traces: this.#done, spans: this.#spans, dropped: this.#dropped, limited: this.#limited };
    this.#sentSpans += this.#spans;
    this.#done = [];
    this.#spans = 0;
    this.#dropped = 0;
    this.#limited = 0;
    this.#send(batch);
  }

  /** The control plane has so many more of them. */
  taken(spans: number): void {
    this.#sentSpans -= spans;
  }

  /** Lower-case hex, not all 0. */
  #id(bytes: number): string {
    if (this.#poolAt + bytes > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#poolAt = 0;
    }
    const at = this.#poolAt;
    this.#poolAt += bytes;
    const id = this.#pool.toString('hex', at, at + bytes);
    return /^0+$/.test(id) ? this.#id(bytes) : id;
  }
}

/** Of the one traceparent that there may be. */
function flagsOf(head: RequestHead): number {
  const at = head.find(FIELD.TRACEPARENT);
  if (at < 0 || head.findNext(at) >= 0) return NO_PARENT;
  return parentFlags(head.text, head.valueAt[at]!, head.valueEnd[at]!);
}

function withoutQuery(path: string): string {
  const end = path.indexOf('?');
  return path.slice(0, end < 0 || end > MAX_PATH ? MAX_PATH : end);
}

/**
 * Makes room for the traceparent of each attempt, if endpoints are to get one: to be called once, when the plan for the head has been
 * made. What the client said as the parent's goes; its tracestate goes, too, if it is not that of the parent or not one at all.
 */
export function makeRoom(ex: Exchange, trace: TraceRecord): void {
  trace.isTold = ex.generation.tracing!.propagate && !ex.route!.requestDrops.includes('traceparent');
  if (!trace.isTold) return;
  dropNamed(ex.head, 'traceparent');
  if (trace.state === '' && (trace.parentId === '' || !isTracestate(joined(ex.head, FIELD.TRACESTATE))))
    dropNamed(ex.head, 'tracestate');
}

/** The line that makes the endpoint's spans children of the attempt; '' = it is told nothing. */
export function traceLine(trace: TraceRecord, attempt: AttemptRecord): string {
  return trace.isTold ? `traceparent: ${traceparentOf(trace.traceId, attempt.spanId, trace.flags)}\r\n` : '';
}

/** Of an attempt that is settled: what its books know. */
export function closeAttempt(
  attempt: AttemptRecord,
  books: Books,
  outcome: Outcome,
  status: number,
  nowMs: number,
): void {
  books.span = null;
  attempt.isReused = books.isReused;
  attempt.sentMs = books.sentMs;
  attempt.firstByteMs = books.firstByteMs;
  attempt.endMs = nowMs;
  attempt.outcome = outcome;
  attempt.status = status;
}
