// What workers noted of a request, as spans of OpenTelemetry: one SERVER span for the request, one CLIENT span for each attempt,
// its phases as events. Names are those of the semantic conventions for HTTP (stable, 1.23 and later), and fermat.* for what they
// have no word for. Written as OTLP's JSON (opentelemetry-proto 1.x): ids in hex, 64-bit numbers as text.

import { cohortName } from '../../core/cohort.ts';
import { OUTCOME } from '../../core/sample.ts';
import { ROLE_NAMES } from '../../core/selector.ts';
import { NONE } from '../../core/snapshot.ts';
import type { AttemptRecord, TraceRecord } from '../../core/trace-spans.ts';

const KIND = { SERVER: 2, CLIENT: 3 } as const;
const ERROR = { code: 2 } as const;
const UNSET = {} as const;
/** Of Span.flags: it is known whether the parent is elsewhere; it is. */
const KNOWS_REMOTE = 0x100;
const IS_REMOTE = 0x200;
/** The client went without waiting: nobody was sent this status. */
const CLIENT_GONE_STATUS = 499;

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

type Value = string | number | boolean;
interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, Value>>;
}

/** The spans of a request as JSON texts. `wallMs`: what to add to the process-wide clock for a date. */
export function spansOf(trace: TraceRecord, wallMs: number): string[] {
  const told = trace.attempts.find((attempt) => attempt === answererOf(trace)) ?? null;
  const spans = trace.attempts.map((attempt, i) => clientSpan(trace, attempt, i, attempt === told, wallMs));
  return [serverSpan(trace, told, wallMs), ...spans];
}

/** The attempt that the client's answer comes from, else the last one; undefined = there was none. */
export function answererOf({ attempts }: TraceRecord): AttemptRecord | undefined {
  return attempts.findLast(({ status, outcome }) => status > 0 && outcome !== OUTCOME.OUTRUN) ?? attempts.at(-1);
}

function serverSpan(trace: TraceRecord, told: AttemptRecord | null, wallMs: number): string {
  const { status, problem, route } = trace;
  const attributes: Attribute[] = [];
  method(attributes, trace);
  text(attributes, 'url.scheme', trace.isTls ? 'https' : 'http');
  text(attributes, 'url.path', said(trace.path));
  text(attributes, 'url.query', said(trace.query));
  text(attributes, 'server.address', said(trace.host));
  whole(attributes, 'server.port', trace.port);
  text(attributes, 'client.address', said(trace.client));
  text(attributes, 'network.peer.address', trace.peer);
  text(attributes, 'network.protocol.version', trace.version);
  text(attributes, 'user_agent.original', said(trace.agent));
  text(attributes, 'http.route', route);
  if (status !== CLIENT_GONE_STATUS) whole(attributes, 'http.response.status_code', status);
  whole(attributes, 'http.request.body.size', trace.requestBytes);
  whole(attributes, 'http.response.body.size', trace.responseBytes);
  text(attributes, 'error.type', serverError(trace));
  text(attributes, 'fermat.request_id', said(trace.requestId));
  text(attributes, 'fermat.pool', trace.pool);
  if (trace.pool !== '') text(attributes, 'fermat.cohort', cohortName(trace.cohort));
  if (told !== null) choice(attributes, told);
  attributes.push({ key: 'fermat.attempts', value: { intValue: String(trace.attempts.length) } });
  const verb = trace.methodId === 0 ? 'HTTP' : trace.method;
  return JSON.stringify({
    traceId: trace.traceId,
    spanId: trace.spanId,
    parentSpanId: trace.parentId,
    traceState: trace.state,
    flags: trace.flags | KNOWS_REMOTE | (trace.parentId === '' ? 0 : IS_REMOTE),
    name: route === '' ? verb : `${verb} ${route}`,
    kind: KIND.SERVER,
    startTimeUnixNano: nanos(trace.startMs + wallMs),
    endTimeUnixNano: nanos(Math.max(trace.startMs, trace.endMs) + wallMs),
    attributes,
    // An answer that was cut off is none, whatever its head says.
    status: status >= 500 || (problem !== '' && status < 400) ? ERROR : UNSET,
  });
}

function serverError({ status, problem }: TraceRecord): string {
  if (problem !== '') return problem;
  if (status === CLIENT_GONE_STATUS) return 'client_gone';
  return status >= 500 ? String(status) : '';
}

function clientSpan(trace: TraceRecord, attempt: AttemptRecord, i: number, isTold: boolean, wallMs: number): string {
  const { host, port, status } = attempt;
  const attributes: Attribute[] = [];
  const isSecure = attempt.scheme === 'https' || attempt.scheme === 'h2';
  const isSocket = port === 0;
  method(attributes, trace);
  if (!isSocket) {
    const name = host.includes(':') ? `[${host}]` : host;
    text(attributes, 'url.full', `${isSecure ? 'https' : 'http'}://${name}:${port}${said(trace.sentPath)}`);
  }
  text(attributes, 'server.address', host);
  whole(attributes, 'server.port', port);
  if (isSocket) text(attributes, 'network.transport', 'unix');
  text(attributes, 'network.protocol.version', attempt.scheme.startsWith('h2') ? '2' : '1.1');
  whole(attributes, 'http.response.status_code', status);
  whole(attributes, 'http.request.resend_count', i);
  const error = clientError(attempt);
  text(attributes, 'error.type', error);
  choice(attributes, attempt);
  text(attributes, 'fermat.via', attempt.via);
  text(attributes, 'fermat.outcome', OUTCOME_NAMES[attempt.outcome]);
  if (attempt.isHedge) attributes.push({ key: 'fermat.hedge', value: { boolValue: true } });
  attributes.push({ key: 'fermat.connection_reused', value: { boolValue: attempt.isReused } });
  return JSON.stringify({
    traceId: trace.traceId,
    spanId: attempt.spanId,
    parentSpanId: trace.spanId,
    traceState: trace.state,
    flags: trace.flags | KNOWS_REMOTE,
    name: trace.methodId === 0 ? 'HTTP' : trace.method,
    kind: KIND.CLIENT,
    startTimeUnixNano: nanos(attempt.startMs + wallMs),
    endTimeUnixNano: nanos(Math.max(attempt.startMs, attempt.endMs) + wallMs),
    attributes,
    events: eventsOf(attempt, isTold && trace.problem === '' && status > 0, wallMs),
    status: error === '' ? UNSET : ERROR,
  });
}

/** Of an attempt that nobody waits for any more nothing went wrong. */
function clientError({ error, outcome, status }: AttemptRecord): string {
  if (error !== '') return error;
  if (outcome === OUTCOME.CLIENT_GONE || outcome === OUTCOME.OUTRUN) return '';
  if (status >= 400) return String(status);
  return outcome === OUTCOME.OK ? '' : OUTCOME_NAMES[outcome]!;
}

/** Where it went, and why there. */
function choice(attributes: Attribute[], { endpoint, region, role, scoreMs, decision }: AttemptRecord): void {
  text(attributes, 'fermat.endpoint', endpoint);
  text(attributes, 'fermat.region', region ?? '');
  if (role !== NONE) text(attributes, 'fermat.role', ROLE_NAMES[role as 0]);
  if (Number.isFinite(scoreMs)) attributes.push({ key: 'fermat.score_ms', value: { doubleValue: scoreMs } });
  if (decision !== 0) text(attributes, 'fermat.decision', String(decision));
}

/** Clocks of events are a little coarser than that of the sending: what follows is never told as earlier. */
function eventsOf(attempt: AttemptRecord, isWhole: boolean, wallMs: number): object[] {
  const events: object[] = [];
  let lastMs = attempt.startMs;
  const add = (name: string, atMs: number): void => {
    if (atMs < 0) return;
    lastMs = Math.min(Math.max(lastMs, atMs), Math.max(lastMs, attempt.endMs));
    events.push({ timeUnixNano: nanos(lastMs + wallMs), name });
  };
  add('queue', attempt.queuedMs);
  add('connect.start', attempt.connectingMs);
  if (attempt.connectingMs >= 0 && !attempt.isReused) add('connect.end', attempt.readyMs);
  add('request.sent', attempt.sentMs);
  add('response.first_byte', attempt.firstByteMs);
  if (isWhole) add('response.last_byte', attempt.endMs);
  return events;
}

/** One of the conventions' own, or `_OTHER`: any token is a method. */
function method(attributes: Attribute[], { methodId, method }: TraceRecord): void {
  text(attributes, 'http.request.method', methodId === 0 ? '_OTHER' : method);
  if (methodId === 0) text(attributes, 'http.request.method_original', method);
}

function text(attributes: Attribute[], key: string, value: string | undefined): void {
  if (value !== undefined && value !== '') attributes.push({ key, value: { stringValue: value } });
}

function whole(attributes: Attribute[], key: string, value: number): void {
  if (value > 0) attributes.push({ key, value: { intValue: String(value) } });
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
