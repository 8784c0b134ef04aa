// One request as one line of JSON: the same fields in the same order, docs/logs.md lists them. Written by hand: a request leaves
// its pieces (json-pieces.ts) and its numbers in a row; lines are made of many rows in one go, since the first of them finds code
// and tables cold.

import type { AccessLogSpec } from '../../core/snapshot.ts';
import type { RequestHead } from '../../wire/request.ts';
import { flat } from '../../wire/write.ts';
import type { Problem } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { ENDING, type Ending } from '../settle.ts';
import type { Peer } from '../sides.ts';
import { type Format, ROWS } from './format.ts';
import {
  askerOf,
  attemptsPiece,
  endingPiece,
  frontOf,
  NO_ENDPOINT,
  NO_ROUTE,
  tracePiece,
  wayOf,
} from './json-pieces.ts';
import { Moments } from './moments.ts';
import { find, found, type Noted } from './noted.ts';
import { Label, type Page } from './page.ts';
import { QueryRedaction, REDACTED } from './redact.ts';
import { jsonName, jsonText } from './text.ts';

const DURATION = new Label(',"durationMs":');
const OVERHEAD = new Label(',"overheadMs":');
const QUEUE = new Label(',"phases":{"queueMs":');
const CONNECT = new Label(',"connectMs":');
const FIRST_BYTE = new Label(',"firstByteMs":');
/** Over a connection that was there already, as most are. */
const FIRST_BYTE_REUSED = new Label(',"connectMs":null,"firstByteMs":');
const ATTEMPT = new Label(',"totalMs":');
const CLOSE = 125; // }

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
/** Texts of a row, in the order of the line. The id is in two parts where it was made here. */
const T = { ID: 0, ID_TAIL: 1, FRONT: 2, WAY: 3, BACK: 4, STRIDE: 5 } as const;
/** More than moment and numbers of a line take. */
const MOST_NUMBERS = 400;

export class JsonLines implements Format {
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
    const front = frontOf(noted, asker, asked, ending);
    const way = wayOf(ex, noted);
    const back = this.#back(ex, noted, isDrawn);
    const row = this.#rows++;
    this.#noteNumbers(ex, totalMs, row * N.STRIDE);
    const texts = this.#texts;
    const at = row * T.STRIDE;
    texts[at + T.FRONT] = front;
    texts[at + T.WAY] = way;
    texts[at + T.BACK] = back;
    return this.#noteId(ex, at) + front.length + way.length + back.length + MOST_NUMBERS;
  }

  write(page: Page, wallMs: number): void {
    const numbers = this.#numbers;
    const texts = this.#texts;
    for (let row = 0; row < this.#rows; row++) {
      const n = row * N.STRIDE;
      const t = row * T.STRIDE;
      const endMs = Math.round(wallMs + numbers[n + N.END]!);
      const id = texts[t + T.ID]!;
      const front = texts[t + T.FRONT]!;
      if (id === '') {
        page.text(this.#unnamed.iso(endMs));
        page.text(front.slice(1)); // it closes the quote of the id
      } else {
        page.text(this.#moments.iso(endMs));
        page.text(id);
        page.chars(texts[t + T.ID_TAIL]!);
        page.text(front);
      }
      page.count(numbers[n + N.BYTES]!);
      page.millis(DURATION, numbers[n + N.TOTAL]!);
      page.millis(OVERHEAD, numbers[n + N.OVERHEAD]!);
      page.text(texts[t + T.WAY]!);
      this.#writePhases(page, n);
      page.text(texts[t + T.BACK]!);
    }
    this.#rows = 0;
  }

  /** A request that could not be read, or (`problem` null) that its client took back before. */
  refusal(peer: Peer, status: number, problem: Problem | null, wallMs: number, isDrawn: boolean): string {
    const scheme = peer.tls === null ? 'http' : 'https';
    const ending = problem === null ? ENDING.CLIENT_GONE : ENDING.REFUSED;
    return (
      `${this.#unnamed.iso(wallMs)},"client":${jsonName(peer.address || null)},"country":null,"asn":null` +
      `,"protocol":null,"scheme":${jsonName(scheme)},"method":null,"host":null,"path":null,"query":null` +
      `${endingPiece(status, ending, problem)}0,"bytesOut":0,"durationMs":null,"overheadMs":null` +
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

  /** Its length. */
  #noteId({ pool, plan, head }: Exchange, at: number): number {
    const isOwn = pool !== null && plan.idTail !== '';
    const id = isOwn ? plan.idHead : pool === null ? '' : jsonText(plan.requestIdOf(head));
    const tail = isOwn ? plan.idTail : '';
    this.#texts[at + T.ID] = id;
    this.#texts[at + T.ID_TAIL] = tail;
    return id.length + tail.length;
  }

  #writePhases(page: Page, n: number): void {
    const numbers = this.#numbers;
    const queueMs = numbers[n + N.QUEUE]!;
    if (queueMs < 0) return page.text(',"phases":null');
    const connectMs = numbers[n + N.CONNECT]!;
    const waitMs = numbers[n + N.FIRST_BYTE]!;
    page.millis(QUEUE, queueMs);
    if (connectMs < 0) page.millis(FIRST_BYTE_REUSED, waitMs);
    else {
      page.millis(CONNECT, connectMs);
      page.millis(FIRST_BYTE, waitMs);
    }
    page.millis(ATTEMPT, numbers[n + N.ATTEMPT]!);
    page.byte(CLOSE);
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
      return `${open}${endingPiece(status, ending, problem)}${bytesIn},"bytesOut":`;
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
