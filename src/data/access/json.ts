// One request as one line of JSON: the same fields in the same order, docs/logs.md lists them. Written by hand: pieces that many
// lines share are made once (noted.ts, and by route and endpoint here), the rest is looked up. A request leaves its pieces and
// its numbers in a row; lines are made of many rows in one go, since the first of them finds code and tables cold.

import { ROLE_NAMES } from '../../core/selector.ts';
import type { AccessLogSpec } from '../../core/snapshot.ts';
import type { RequestHead } from '../../wire/request.ts';
import { flat } from '../../wire/write.ts';
import type { Problem } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { attemptsOf, HEDGED } from '../hedge.ts';
import { ENDING, type Ending } from '../settle.ts';
import type { Peer } from '../sides.ts';
import { clientOf, find, found, type Noted } from './noted.ts';
import { count, Millis, Moments } from './numbers.ts';
import { QueryRedaction, REDACTED } from './redact.ts';
import { jsonName, jsonText } from './text.ts';

/** By ENDING. */
const OUTCOMES = ['answered', 'refused', 'cut', 'client_gone'] as const;
const NO_ENDPOINT = ',"endpoint":null,"region":null,"role":null';
const NO_ROUTE = ',"route":null,"pool":null';
const DURATION = new Millis(',"durationMs":');
const OVERHEAD = new Millis(',"overheadMs":');
const QUEUE = new Millis(',"phases":{"queueMs":');
const CONNECT = new Millis(',"connectMs":');
const FIRST_BYTE = new Millis(',"firstByteMs":');
/** Over a connection that was there already, as most are. */
const FIRST_BYTE_REUSED = new Millis(',"connectMs":null,"firstByteMs":');
const TOTAL = new Millis(',"totalMs":', '}');
const TRACE_ID = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const NO_ROLE = ROLE_NAMES.length;

/** Requests that wait for their lines. */
const ROWS = 64;
/** Numbers of a row. END: of the exchange, by the worker's clock. QUEUE < 0: nothing was tried; else what is < 0 did not happen. */
const N = {
  END: 0,
  TOTAL: 1,
  OVERHEAD: 2,
  BYTES: 3,
  QUEUE: 4,
  CONNECT: 5,
  FIRST_BYTE: 6,
  ATTEMPT: 7,
  STRIDE: 8,
} as const;
/** Texts of a row, in the order of the line. */
const T = { ID: 0, FRONT: 1, WAY: 2, BACK: 3, STRIDE: 4 } as const;
/** About what the numbers of a line take. */
const NUMBER_CHARS = 220;

export class JsonLines {
  readonly #numbers = new Float64Array(ROWS * N.STRIDE);
  readonly #texts: string[] = new Array(ROWS * T.STRIDE).fill('');
  #rows = 0;
  readonly #spec: AccessLogSpec;
  readonly #moments = new Moments('{"time":"', '","requestId":"');
  readonly #unnamed = new Moments('{"time":"', '","requestId":null');
  readonly #redaction: QueryRedaction;
  readonly #secretHeaders: ReadonlySet<string>;
  /** What ends a line; of one that stands for others, too. */
  readonly #end: string;
  readonly #drawnEnd: string;
  /** By status: what follows path or query where nothing was wrong. */
  readonly #pathEnds: string[] = [];
  readonly #queryEnds: string[] = [];

  constructor(spec: AccessLogSpec) {
    this.#spec = spec;
    this.#redaction = new QueryRedaction(spec.redactQuery);
    this.#secretHeaders = new Set(spec.redactHeaders);
    this.#end = spec.sample < 1 ? ',"sample":1}\n' : '}\n';
    this.#drawnEnd = `,"sample":${spec.sample}}\n`;
  }

  get isFull(): boolean {
    return this.#rows === ROWS;
  }

  /** A row of its own; chars that its line takes, about. `totalMs`: of the whole exchange. `isDrawn`: it stands for others. */
  note(ex: Exchange, noted: Noted, totalMs: number, isDrawn: boolean): number {
    const { books, head } = ex;
    const asker = askerOf(ex, noted); // before what the fields say: both look whether they are new
    if (!noted.hasSaid(head)) {
      noted.keepSaid(head, this.#said(head, ex.down.peer) + this.#end);
      noted.traced = tracePiece(found.traceparent < 0 ? '' : head.value(found.traceparent));
      noted.back = flat(noted.traced + noted.said);
    }
    const asked = this.#asked(head.path, noted);
    const ending = this.#ending(noted.hasQuery, books.ending, books.problem, books.status, ex.bodyBytes);
    const row = this.#rows++;
    this.#noteNumbers(ex, totalMs, row * N.STRIDE);
    const texts = this.#texts;
    const at = row * T.STRIDE;
    const front = frontOf(noted, asker, asked, ending);
    const back = this.#back(ex, noted, isDrawn);
    texts[at + T.ID] = ex.pool === null ? '' : ex.plan.requestIdOf(head);
    texts[at + T.FRONT] = front;
    texts[at + T.WAY] = wayOf(ex, noted);
    texts[at + T.BACK] = back;
    return front.length + back.length + NUMBER_CHARS;
  }

  /** Lines of all rows, which are free again. `wallMs`: what the wall clock shows when the worker's is at 0. */
  take(wallMs: number): string {
    const numbers = this.#numbers;
    const texts = this.#texts;
    let lines = '';
    for (let row = 0; row < this.#rows; row++) {
      const n = row * N.STRIDE;
      const t = row * T.STRIDE;
      lines +=
        this.#begun(texts[t + T.ID]!, Math.round(wallMs + numbers[n + N.END]!), texts[t + T.FRONT]!) +
        count(numbers[n + N.BYTES]!) +
        DURATION.of(numbers[n + N.TOTAL]!) +
        OVERHEAD.of(numbers[n + N.OVERHEAD]!) +
        texts[t + T.WAY]! +
        phases(numbers, n) +
        texts[t + T.BACK]!;
    }
    this.#rows = 0;
    return lines;
  }

  /** A request that could not be read, or (`problem` null) that its client took back before. */
  refusal(peer: Peer, status: number, problem: Problem | null, wallMs: number, isDrawn: boolean): string {
    const scheme = peer.tls === null ? 'http' : 'https';
    const ending = problem === null ? ENDING.CLIENT_GONE : ENDING.REFUSED;
    return (
      `${this.#unnamed.iso(wallMs)},"client":${jsonName(peer.address || null)},"country":null,"asn":null` +
      `,"protocol":null,"scheme":${jsonName(scheme)},"method":null,"host":null,"path":null,"query":null` +
      `${endingPiece(status, ending, problem)}0,"bytesOut":0${DURATION.of(-1)}${OVERHEAD.of(-1)}` +
      `${NO_ROUTE}${NO_ENDPOINT}${attemptsPiece(0, false)},"phases":null,"traceId":null,"userAgent":null,"referer":null` +
      (isDrawn ? this.#drawnEnd : this.#end)
    );
  }

  /** How long it took; and how the last attempt went. */
  #noteNumbers({ books, bodyBytes, attempts }: Exchange, totalMs: number, at: number): void {
    const numbers = this.#numbers;
    const { attemptMs, sentMs, connectMs, firstByteMs } = books;
    const endMs = books.startMs + totalMs;
    numbers[at + N.END] = endMs;
    numbers[at + N.TOTAL] = totalMs;
    numbers[at + N.OVERHEAD] = bodyBytes === 0 ? Math.max(0, totalMs - books.endpointMs) : -1;
    numbers[at + N.BYTES] = books.responseBytes;
    const queueMs = (sentMs < 0 ? endMs : sentMs) - attemptMs - Math.max(0, connectMs);
    numbers[at + N.QUEUE] = attempts === 0 ? -1 : Math.max(0, queueMs);
    numbers[at + N.CONNECT] = connectMs;
    numbers[at + N.FIRST_BYTE] = firstByteMs < 0 || sentMs < 0 ? -1 : Math.max(0, firstByteMs - sentMs);
    numbers[at + N.ATTEMPT] = Math.max(0, endMs - attemptMs);
  }

  /** When, which, and what follows, to the status. `front` closes the quote of the id. */
  #begun(id: string, wallMs: number, front: string): string {
    if (id === '') return this.#unnamed.iso(wallMs) + front.slice(1);
    return this.#moments.iso(wallMs) + jsonText(id) + front;
  }

  #back({ trace }: Exchange, noted: Noted, isDrawn: boolean): string {
    if (trace === null && !isDrawn) return noted.back;
    const traced = trace === null ? noted.traced : `,"traceId":"${trace.traceId}"`;
    return traced + (isDrawn ? noted.said.slice(0, -this.#end.length) + this.#drawnEnd : noted.said);
  }

  #asked(path: string, noted: Noted): string {
    if (path === noted.path) return noted.asked;
    noted.path = path;
    const at = path.indexOf('?');
    noted.hasQuery = at >= 0;
    noted.asked =
      at < 0
        ? jsonText(path)
        : `${jsonText(path.slice(0, at))}","query":"${jsonText(this.#redaction.redact(path, at + 1, path.length))}`;
    return noted.asked;
  }

  #ending(hasQuery: boolean, ending: Ending, problem: Problem | null, status: number, bytesIn: number): string {
    const open = hasQuery ? '"' : '","query":null';
    if (ending !== ENDING.WHOLE || bytesIn > 0)
      return `${open}${endingPiece(status, ending, problem)}${count(bytesIn)},"bytesOut":`;
    const known = hasQuery ? this.#queryEnds : this.#pathEnds;
    known[status] ??= flat(`${open}${endingPiece(status, ending, null)}0,"bytesOut":`);
    return known[status];
  }

  /** What the client's fields say, and its handshake. */
  #said(head: RequestHead, { tls }: Peer): string {
    find(head);
    const { agent, referer } = found;
    let text = `,"userAgent":${agent < 0 ? 'null' : `"${jsonText(head.value(agent))}"`}`;
    text += `,"referer":${referer < 0 ? 'null' : `"${jsonText(this.#redaction.redactUrl(head.value(referer)))}"`}`;
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
    return value === null ? null : jsonText(this.#redaction.redactUrl(value)); // many hold a URL, or a part of one
  }
}

/** Who asks, and how: the same for most requests of a connection. */
function askerOf(ex: Exchange, noted: Noted): string {
  const { who, how } = noted;
  const whoNow = whoOf(ex, noted);
  const howNow = howOf(ex, noted);
  if (noted.asker === '' || whoNow !== who || howNow !== how) noted.asker = flat(whoNow + howNow);
  return noted.asker;
}

/** Put together for good only when the line before had the same: paths that never come again are not worth it. */
function frontOf(noted: Noted, asker: string, asked: string, ending: string): string {
  if (asked === noted.frontAsked && ending === noted.frontEnding && asker === noted.frontAsker) {
    if (noted.front === '') noted.front = flat(asker + asked + ending);
    return noted.front;
  }
  noted.front = '';
  noted.frontAsker = asker;
  noted.frontAsked = asked;
  noted.frontEnding = ending;
  return asker + asked + ending;
}

function whoOf(ex: Exchange, noted: Noted): string {
  const { place } = ex.books;
  const client = clientOf(ex, noted);
  if (client === noted.client && place === noted.place && noted.who !== '') return noted.who;
  noted.client = client;
  noted.place = place;
  const { peer } = ex.down;
  const via = client === peer.address || peer.address === '' ? '' : `,"peer":"${jsonText(peer.address)}"`;
  const name = client === '' ? 'null' : `"${jsonText(client)}"`;
  noted.who = flat(`","client":${name},"country":${jsonName(place.country)},"asn":${place.asn ?? 'null'}${via}`);
  return noted.who;
}

function howOf({ head, down }: Exchange, noted: Noted): string {
  const { method, authority } = head;
  const minor = head.isH2 ? 2 : head.minor;
  if (method === noted.method && authority === noted.authority && minor === noted.minor && noted.how !== '')
    return noted.how;
  noted.method = method;
  noted.authority = authority;
  noted.minor = minor;
  const protocol = minor === 2 ? 'HTTP/2.0' : `HTTP/1.${minor}`;
  const scheme = down.peer.tls === null ? 'http' : 'https';
  const asked = `"method":"${jsonText(method)}","host":"${jsonText(authority)}","path":"`;
  noted.how = flat(`,"protocol":"${protocol}","scheme":"${scheme}",${asked}`);
  return noted.how;
}

/** Route, endpoint and how often it was tried: the same for most requests of a client. */
function wayOf(ex: Exchange, noted: Noted): string {
  const { route, books, attempts } = ex;
  const { endpoint } = books;
  const role = attempts === 0 || route?.isRelay === true ? NO_ROLE : books.role; // where nothing was picked
  const { hedged } = ex;
  if (
    noted.way !== '' &&
    route === noted.route &&
    endpoint === noted.endpoint &&
    role === noted.role &&
    attempts === noted.attempts &&
    hedged === noted.hedged
  )
    return noted.way;
  noted.route = route;
  noted.endpoint = endpoint;
  noted.role = role;
  noted.attempts = attempts;
  noted.hedged = hedged;
  const { name } = route === null ? { name: null } : route.spec;
  const routed =
    route === null ? NO_ROUTE : `,"route":${jsonName(name)},"pool":${jsonName(route.pool?.spec.name ?? null)}`;
  const placed =
    endpoint === null
      ? NO_ENDPOINT
      : `,"endpoint":${jsonName(endpoint.id)},"region":${jsonName(endpoint.region)},"role":${jsonName(ROLE_NAMES[role] ?? null)}`;
  noted.way = flat(routed + placed + attemptsPiece(attemptsOf(ex), hedged >= HEDGED.BEGUN));
  return noted.way;
}

function phases(numbers: Float64Array, at: number): string {
  const queueMs = numbers[at + N.QUEUE]!;
  if (queueMs < 0) return ',"phases":null';
  const connectMs = numbers[at + N.CONNECT]!;
  const waitMs = numbers[at + N.FIRST_BYTE]!;
  const answered = connectMs < 0 ? FIRST_BYTE_REUSED.of(waitMs) : CONNECT.of(connectMs) + FIRST_BYTE.of(waitMs);
  return QUEUE.of(queueMs) + answered + TOTAL.of(numbers[at + N.ATTEMPT]!);
}

/** Of the trace that the client's request is part of. */
function tracePiece(traceparent: string): string {
  const id = TRACE_ID.exec(traceparent);
  return id === null ? ',"traceId":null' : `,"traceId":"${id[1]}"`;
}

function endingPiece(status: number, ending: Ending, problem: Problem | null): string {
  const why = problem === null ? '"error":null,"reason":null' : `"error":"${problem.type}","reason":"${problem.code}"`;
  return `,"status":${status},"outcome":"${OUTCOMES[ending]}",${why},"bytesIn":`;
}

function attemptsPiece(attempts: number, isHedged: boolean): string {
  return `,"attempts":${attempts},"retried":${attempts > (isHedged ? 2 : 1)},"hedged":${isHedged}`;
}
