// One request as one line of JSON: the same fields in the same order, docs/logs.md lists them. Written by hand: pieces that many
// lines share are made once (noted.ts, and by route and endpoint here), the rest is looked up.

import { ROLE_NAMES } from '../../core/selector.ts';
import type { AccessLogSpec, EndpointSpec } from '../../core/snapshot.ts';
import type { RequestHead } from '../../wire/request.ts';
import type { Problem } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { RouteRuntime } from '../generation.ts';
import { attemptsOf, HEDGED } from '../hedge.ts';
import type { Peer } from '../sides.ts';
import { clientOf, find, found, type Noted } from './noted.ts';
import { count, type Moments, millis } from './numbers.ts';
import { QueryRedaction, REDACTED } from './redact.ts';
import { jsonName, jsonText } from './text.ts';

/** How a request ended, by ENDING. */
export const OUTCOMES = ['answered', 'refused', 'cut', 'client_gone'] as const;
const NO_ENDPOINT = ',"endpoint":null,"region":null,"role":null';
const NO_ROUTE = ',"route":null,"pool":null';
const TRACE_ID = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const KNOWN_ATTEMPTS = 8;

export class JsonLines {
  readonly #spec: AccessLogSpec;
  readonly #moments: Moments;
  readonly #redaction: QueryRedaction;
  readonly #secretHeaders: ReadonlySet<string>;
  readonly #isSampled: boolean;
  /** By status, of what was answered. */
  readonly #answered: string[] = [];
  readonly #routed = new Map<RouteRuntime, string>();
  readonly #placed = new Map<EndpointSpec, string[]>();
  readonly #attempted: readonly string[];

  constructor(spec: AccessLogSpec, moments: Moments) {
    this.#spec = spec;
    this.#moments = moments;
    this.#redaction = new QueryRedaction(spec.redactQuery);
    this.#secretHeaders = new Set(spec.redactHeaders);
    this.#isSampled = spec.sample < 1;
    this.#attempted = Array.from({ length: KNOWN_ATTEMPTS * 2 }, (_, i) => attemptsPiece(i >> 1, (i & 1) === 1));
  }

  /** `totalMs`: of the whole exchange. `isDrawn`: it is here by chance, and stands for others. */
  line(ex: Exchange, noted: Noted, wallMs: number, totalMs: number, isDrawn: boolean): string {
    const { books, head } = ex;
    const { path } = head;
    if (path !== noted.path || noted.asked === '') {
      noted.path = path;
      noted.asked = this.#asked(path);
    }
    const who = this.#who(ex, noted); // before what the fields say: both look whether they are new
    const said = noted.hasSaid(head) ? noted.said : noted.keepSaid(head, this.#said(head, ex.down.peer));
    const overhead = ex.bodyBytes === 0 ? millis(Math.max(0, totalMs - books.endpointMs)) : 'null';
    return (
      `{"time":"${this.#moments.iso(wallMs)}","requestId":${requestIdPiece(ex)}${who}${how(ex, noted)}${noted.asked}` +
      `${this.#ending(books.ending, books.problem, books.status)}${count(ex.bodyBytes)},"bytesOut":${count(books.responseBytes)}` +
      `,"durationMs":${millis(totalMs)},"overheadMs":${overhead}${this.#route(ex.route, noted)}${this.#endpoint(ex, noted)}` +
      `${this.#attempts(ex, totalMs)}${said}${this.#isSampled ? `,"sample":${isDrawn ? this.#spec.sample : 1}}\n` : '}\n'}`
    );
  }

  /** A request that could not be read. */
  refusal(peer: Peer | null, problem: Problem, wallMs: number): string {
    const scheme = peer === null ? null : peer.tls === null ? 'http' : 'https';
    return (
      `{"time":"${this.#moments.iso(wallMs)}","requestId":null,"client":${jsonName(peer?.address || null)},"country":null,"asn":null` +
      `,"protocol":null,"scheme":${jsonName(scheme)},"method":null,"host":null,"path":null,"query":null` +
      `${this.#ending(1, problem, problem.status)}0,"bytesOut":0,"durationMs":null,"overheadMs":null` +
      `${NO_ROUTE}${NO_ENDPOINT}${this.#attempted[0]},"userAgent":null,"referer":null,"traceId":null` +
      `${this.#isSampled ? `,"sample":${this.#spec.sample}}\n` : '}\n'}`
    );
  }

  #who(ex: Exchange, noted: Noted): string {
    const { place } = ex.books;
    const client = clientOf(ex, noted);
    if (client === noted.client && place === noted.place && noted.who !== '') return noted.who;
    noted.client = client;
    noted.place = place;
    const { peer } = ex.down;
    const via = client === peer.address || peer.address === '' ? '' : `,"peer":"${jsonText(peer.address)}"`;
    const name = client === '' ? 'null' : `"${jsonText(client)}"`;
    noted.who = `,"client":${name},"country":${jsonName(place.country)},"asn":${place.asn ?? 'null'}${via}`;
    return noted.who;
  }

  #asked(path: string): string {
    const at = path.indexOf('?');
    if (at < 0) return `${jsonText(path)}","query":null`;
    return `${jsonText(path.slice(0, at))}","query":"${jsonText(this.#redaction.redact(path, at + 1, path.length))}"`;
  }

  #ending(ending: number, problem: Problem | null, status: number): string {
    if (ending === 0) {
      this.#answered[status] ??= endingPiece(status, 0, null);
      return this.#answered[status];
    }
    return endingPiece(status, ending, problem);
  }

  #route(route: RouteRuntime | null, noted: Noted): string {
    if (route === null) return NO_ROUTE;
    if (route === noted.route) return noted.routed;
    let piece = this.#routed.get(route);
    if (piece === undefined) {
      piece = `,"route":${jsonName(route.spec.name)},"pool":${jsonName(route.pool?.spec.name ?? null)}`;
      this.#routed.set(route, piece);
    }
    noted.route = route;
    noted.routed = piece;
    return piece;
  }

  #endpoint(ex: Exchange, noted: Noted): string {
    const { endpoint, role } = ex.books;
    if (endpoint === null) return NO_ENDPOINT;
    const as = ex.attempts === 0 || ex.route?.isRelay === true ? ROLE_NAMES.length : role; // nothing was picked here
    if (endpoint === noted.endpoint && as === noted.role) return noted.placed;
    let pieces = this.#placed.get(endpoint);
    if (pieces === undefined) {
      pieces = [...ROLE_NAMES, null].map(
        (name) => `,"endpoint":${jsonName(endpoint.id)},"region":${jsonName(endpoint.region)},"role":${jsonName(name)}`,
      );
      this.#placed.set(endpoint, pieces);
    }
    noted.endpoint = endpoint;
    noted.role = as;
    noted.placed = pieces[as]!;
    return noted.placed;
  }

  /** How the last attempt went. */
  #attempts(ex: Exchange, totalMs: number): string {
    const { books } = ex;
    const attempts = attemptsOf(ex);
    const isHedged = ex.hedged >= HEDGED.BEGUN;
    const piece =
      attempts < KNOWN_ATTEMPTS
        ? this.#attempted[attempts * 2 + (isHedged ? 1 : 0)]!
        : attemptsPiece(attempts, isHedged);
    if (ex.attempts === 0) return piece;
    const { attemptMs, sentMs, connectMs, firstByteMs, startMs } = books;
    const endMs = startMs + totalMs;
    const queueMs = (sentMs < 0 ? endMs : sentMs) - attemptMs - Math.max(0, connectMs);
    const waitMs = firstByteMs < 0 || sentMs < 0 ? -1 : Math.max(0, firstByteMs - sentMs);
    return (
      `${piece}${millis(Math.max(0, queueMs))},"connectMs":${millis(connectMs)},"firstByteMs":${millis(waitMs)}` +
      `,"totalMs":${millis(Math.max(0, endMs - attemptMs))}}`
    );
  }

  /** What the client's fields say, and its handshake. */
  #said(head: RequestHead, { tls }: Peer): string {
    find(head);
    const { agent, referer, traceparent } = found;
    let text = `,"userAgent":${agent < 0 ? 'null' : `"${jsonText(head.value(agent))}"`}`;
    text += `,"referer":${referer < 0 ? 'null' : `"${jsonText(this.#redaction.redactUrl(head.value(referer)))}"`}`;
    const trace = traceparent < 0 ? null : TRACE_ID.exec(head.value(traceparent));
    text += trace === null ? ',"traceId":null' : `,"traceId":"${trace[1]}"`;
    if (tls !== null) text += `,"tls":{"version":${jsonName(tls.version)},"sni":${jsonName(tls.sni)}}`;
    if (this.#spec.headers.length === 0) return text;
    let fields = '';
    for (const name of this.#spec.headers) {
      const value = this.#valueOf(head, name);
      if (value !== null) fields += `${fields === '' ? '' : ','}${jsonName(name)}:"${value}"`;
    }
    return `${text},"headers":{${fields}}`;
  }

  #valueOf(head: RequestHead, name: string): string | null {
    let value: string | null = null;
    for (let i = 0; i < head.count; i++) {
      if (!head.nameIs(i, name)) continue;
      if (this.#secretHeaders.has(name)) return REDACTED;
      value = value === null ? head.value(i) : `${value}, ${head.value(i)}`;
    }
    return value === null ? null : jsonText(value);
  }
}

function requestIdPiece({ pool, plan, head }: Exchange): string {
  const id = pool === null ? '' : plan.requestIdOf(head);
  return id === '' ? 'null' : `"${jsonText(id)}"`;
}

function how({ head, down }: Exchange, noted: Noted): string {
  const { method, authority } = head;
  const minor = head.isH2 ? 2 : head.minor;
  if (method === noted.method && authority === noted.authority && minor === noted.minor && noted.how !== '')
    return noted.how;
  noted.method = method;
  noted.authority = authority;
  noted.minor = minor;
  const protocol = minor === 2 ? 'HTTP/2.0' : `HTTP/1.${minor}`;
  const scheme = down.peer.tls === null ? 'http' : 'https';
  noted.how = `,"protocol":"${protocol}","scheme":"${scheme}","method":"${jsonText(method)}","host":"${jsonText(authority)}","path":"`;
  return noted.how;
}

function endingPiece(status: number, ending: number, problem: Problem | null): string {
  const why = problem === null ? '"error":null,"reason":null' : `"error":"${problem.type}","reason":"${problem.code}"`;
  return `,"status":${status},"outcome":"${OUTCOMES[ending]}",${why},"bytesIn":`;
}

function attemptsPiece(attempts: number, isHedged: boolean): string {
  const isRetried = attempts > (isHedged ? 2 : 1);
  const said = `,"attempts":${attempts},"retried":${isRetried},"hedged":${isHedged},"phases":`;
  return attempts === 0 ? `${said}null` : `${said}{"queueMs":`;
}
