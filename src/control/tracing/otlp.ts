// What workers noted of a request, as spans of OpenTelemetry: one SERVER span for the request, one CLIENT span for each attempt,
// its phases as events. Names are those of the semantic conventions for HTTP (stable, 1.23 and later), and fermat.* for what they
// have no word for. Written as OTLP's JSON (opentelemetry-proto 1.x): ids in hex, 64-bit numbers as text.

import { cohortName } from '../../core/cohort.ts';
import { OUTCOME } from '../../core/sample.ts';
import { ROLE_NAMES } from '../../core/selector.ts';
import { NONE } from '../../core/snapshot.ts';
import { type AttemptRecord, NO_RPC, type TraceRecord } from '../../core/trace-spans.ts';

const KIND = { SERVER: 2, CLIENT: 3 } as const;
const STATUS_ERROR = '{"code":2}';
/** Of Span.flags: it is known whether the parent is elsewhere; it is. */
const KNOWS_REMOTE = 0x100;
const IS_REMOTE = 0x200;
/** The client went without waiting: nobody was sent this status. */
const CLIENT_GONE_STATUS = 499;
/** Of HTTP, whatever came of a gRPC call that was answered as one. */
const CALL_STATUS = 200;

/** By OUTCOME. */
const OUTCOME_NAMES = [
  'ok',
  'client_gone',
  'outrun',
  'too_many',
  'connect_failed',
  'reset',
  'timeout',
  'bad_response',
  'status_5xx',
] as const;

/** The spans of a request as JSON, parted by commas. `wallMs`: what to add to the process-wide clock for a date. */
export function spansOf(trace: TraceRecord, wallMs: number): string {
  const { attempts } = trace;
  const told = answererOf(trace) ?? null;
  let json = serverSpan(trace, told, wallMs);
  for (let i = 0; i < attempts.length; i++) {
    json += `,${clientSpan(trace, attempts[i]!, i, attempts[i] === told, wallMs)}`;
  }
  return json;
}

/** The attempt that the client's answer comes from, else the last one; undefined = there was none. */
export function answererOf({ attempts }: TraceRecord): AttemptRecord | undefined {
  return attempts.findLast(({ status, outcome }) => status > 0 && outcome !== OUTCOME.OUTRUN) ?? attempts.at(-1);
}

function serverSpan(trace: TraceRecord, told: AttemptRecord | null, wallMs: number): string {
  const { status, problem, route, parentId } = trace;
  const rpc = rpcOf(trace, told);
  const attributes =
    method(trace) +
    text('url.scheme', trace.isTls ? 'https' : 'http') +
    text('url.path', said(trace.path)) +
    text('url.query', said(trace.query)) +
    text('server.address', said(trace.host)) +
    whole('server.port', trace.port) +
    text('client.address', said(trace.client)) +
    text('network.peer.address', trace.peer) +
    text('network.protocol.version', trace.version) +
    text('user_agent.original', said(trace.agent)) +
    text('http.route', route) +
    whole('http.response.status_code', status === CLIENT_GONE_STATUS ? 0 : status) +
    whole('http.request.body.size', trace.requestBytes) +
    whole('http.response.body.size', trace.responseBytes) +
    rpcStatus(rpc) +
    text('error.type', serverError(trace, rpc)) +
    text('fermat.request_id', said(trace.requestId)) +
    text('fermat.pool', trace.pool) +
    text('fermat.cohort', trace.pool === '' ? '' : cohortName(trace.cohort)) +
    (told === null ? '' : choice(told)) +
    attribute('fermat.attempts', `{"intValue":"${trace.attempts.length}"}`);
  const verb = trace.methodId === 0 ? 'HTTP' : trace.method;
  const remote = parentId === '' ? 0 : IS_REMOTE;
  // An answer that was cut off is none, whatever its head says.
  const isError = isServersFault(rpc) || status >= 500 || (problem !== '' && status < 400);
  return (
    head(trace, trace.spanId, parentId, trace.flags | KNOWS_REMOTE | remote) +
    `"name":${JSON.stringify(route === '' ? verb : `${verb} ${route}`)},"kind":${KIND.SERVER},` +
    `${times(trace.startMs, trace.endMs, wallMs)}${ending(attributes, '', isError)}`
  );
}

/** What the client was told, by us or by the endpoint that answered. */
function rpcOf({ rpc, status, problem }: TraceRecord, told: AttemptRecord | null): number {
  return rpc !== NO_RPC || told === null || problem !== '' || status === CLIENT_GONE_STATUS ? rpc : told.rpc;
}

function serverError({ status, problem }: TraceRecord, rpc: number): string {
  if (problem !== '') return problem;
  if (isServersFault(rpc)) return rpcName(rpc);
  if (status === CLIENT_GONE_STATUS) return 'client_gone';
  return status >= 500 ? String(status) : '';
}

function clientSpan(trace: TraceRecord, attempt: AttemptRecord, i: number, isTold: boolean, wallMs: number): string {
  const { host, port, rpc } = attempt;
  const status = rpc === NO_RPC ? attempt.status : CALL_STATUS;
  const isSecure = attempt.scheme === 'https' || attempt.scheme === 'h2';
  const isSocket = port === 0;
  const name = host.includes(':') ? `[${host}]` : host;
  const error = clientError(attempt);
  const attributes =
    method(trace) +
    (isSocket ? '' : text('url.full', `${isSecure ? 'https' : 'http'}://${name}:${port}${said(trace.sentPath)}`)) +
    text('server.address', host) +
    whole('server.port', port) +
    text('network.transport', isSocket ? 'unix' : '') +
    text('network.protocol.version', attempt.scheme.startsWith('h2') ? '2' : '1.1') +
    whole('http.response.status_code', status) +
    whole('http.request.resend_count', i) +
    rpcStatus(rpc) +
    text('error.type', error) +
    choice(attempt) +
    text('fermat.via', attempt.via) +
    text('fermat.outcome', OUTCOME_NAMES[attempt.outcome]!) +
    (attempt.isHedge ? attribute('fermat.hedge', TRUE) : '') +
    attribute('fermat.connection_reused', attempt.isReused ? TRUE : FALSE);
  const events = eventsOf(attempt, isTold && trace.problem === '' && status > 0, wallMs);
  return (
    head(trace, attempt.spanId, trace.spanId, trace.flags | KNOWS_REMOTE) +
    `"name":${JSON.stringify(trace.methodId === 0 ? 'HTTP' : trace.method)},"kind":${KIND.CLIENT},` +
    `${times(attempt.startMs, attempt.endMs, wallMs)}${ending(attributes, events, error !== '')}`
  );
}

/** Of an attempt that nobody waits for any more nothing went wrong. */
function clientError({ error, outcome, status, rpc }: AttemptRecord): string {
  if (error !== '') return error;
  if (rpc !== NO_RPC) return rpc === 0 ? '' : rpcName(rpc);
  if (outcome === OUTCOME.CLIENT_GONE || outcome === OUTCOME.OUTRUN) return '';
  if (status >= 400) return String(status);
  return outcome === OUTCOME.OK ? '' : OUTCOME_NAMES[outcome]!;
}

/** Where it went, and why there. */
function choice({ endpoint, region, role, scoreMs, decision }: AttemptRecord): string {
  return (
    text('fermat.endpoint', endpoint) +
    text('fermat.region', region ?? '') +
    text('fermat.role', role === NONE ? '' : ROLE_NAMES[role as 0]) +
    (Number.isFinite(scoreMs) ? attribute('fermat.score_ms', `{"doubleValue":${scoreMs}}`) : '') +
    text('fermat.decision', decision === 0 ? '' : String(decision))
  );
}

/** Clocks of events are a little coarser than that of the sending: what follows is never told as earlier. */
function eventsOf(attempt: AttemptRecord, isWhole: boolean, wallMs: number): string {
  const endMs = Math.max(attempt.startMs, attempt.endMs);
  let lastMs = attempt.startMs;
  let json = '';
  const add = (name: string, atMs: number): void => {
    if (atMs < 0) return;
    lastMs = Math.min(Math.max(lastMs, atMs), endMs);
    json += `,{"timeUnixNano":"${nanos(lastMs + wallMs)}","name":"${name}"}`;
  };
  add('queue', attempt.queuedMs);
  add('connect.start', attempt.connectingMs);
  if (attempt.connectingMs >= 0 && !attempt.isReused) add('connect.end', attempt.readyMs);
  add('request.sent', attempt.sentMs);
  add('response.first_byte', attempt.firstByteMs);
  if (isWhole) add('response.last_byte', attempt.endMs);
  return json;
}

// Of gRPC: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/

const RPC_NAMES: readonly string[] = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
];
/** Of the others the client is the cause. */
const SERVERS_FAULTS = ['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'];

function rpcStatus(rpc: number): string {
  if (rpc === NO_RPC) return '';
  return text('rpc.system', 'grpc') + attribute('rpc.grpc.status_code', `{"intValue":"${rpc}"}`);
}

function rpcName(rpc: number): string {
  return RPC_NAMES[rpc] ?? String(rpc);
}

function isServersFault(rpc: number): boolean {
  return SERVERS_FAULTS.includes(rpcName(rpc));
}

/** One of the conventions' own, or `_OTHER`: any token is a method. */
function method({ methodId, method }: TraceRecord): string {
  if (methodId !== 0) return text('http.request.method', method);
  return text('http.request.method', '_OTHER') + text('http.request.method_original', method);
}

// ── JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
// Put together by hand: objects for each attribute of each span would be half of the control plane's work for a trace. Lists begin
// with a comma, which is cut off where they end.

const TRUE = '{"boolValue":true}';
const FALSE = '{"boolValue":false}';

/** `value` is JSON, and `key` one of ours. */
function attribute(key: string, value: string): string {
  return `,{"key":"${key}","value":${value}}`;
}

/** '' = it has none. */
function text(key: string, value: string): string {
  return value === '' ? '' : `,{"key":"${key}","value":{"stringValue":${JSON.stringify(value)}}}`;
}

/** 0 = it has none. */
function whole(key: string, value: number): string {
  return value > 0 ? `,{"key":"${key}","value":{"intValue":"${value}"}}` : '';
}

function head({ traceId, state }: TraceRecord, spanId: string, parentId: string, flags: number): string {
  const parent = parentId === '' ? '' : `"parentSpanId":"${parentId}",`;
  const traceState = state === '' ? '' : `"traceState":${JSON.stringify(state)},`;
  return `{"traceId":"${traceId}","spanId":"${spanId}",${parent}${traceState}"flags":${flags},`;
}

function times(startMs: number, endMs: number, wallMs: number): string {
  const end = nanos(Math.max(startMs, endMs) + wallMs);
  return `"startTimeUnixNano":"${nanos(startMs + wallMs)}","endTimeUnixNano":"${end}",`;
}

function ending(attributes: string, events: string, isError: boolean): string {
  const status = isError ? STATUS_ERROR : '{}';
  return `"attributes":[${attributes.slice(1)}],"events":[${events.slice(1)}],"status":${status}}`;
}

/** Bytes that came as latin1, as the text they most likely are. */
function said(bytes: string): string {
  return /[\x80-\xff]/.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** ms since 1970 with a fraction, in ns: more digits than a double has. */
function nanos(ms: number): string {
  const wholeMs = Math.floor(ms);
  return `${wholeMs}${String(Math.floor((ms - wholeMs) * 1e6)).padStart(6, '0')}`;
}

/** What stands before and behind the spans of a batch. */
export function frameOf(resource: Readonly<Record<string, string>>, version: string): readonly [string, string] {
  const attributes = Object.entries({ 'service.version': version, 'telemetry.sdk.version': version, ...resource });
  const made = JSON.stringify({
    attributes: attributes.map(([key, value]) => ({ key, value: { stringValue: value } })),
  });
  const scope = JSON.stringify({ name: 'fermat', version });
  return [`{"resourceSpans":[{"resource":${made},"scopeSpans":[{"scope":${scope},"spans":[`, ']}]}]}'];
}
