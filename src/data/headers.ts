// Which header fields pass and which lines are ours, both ways (CONTRACT "Headers"). Fields are marked, never copied: the
// wire writes what is not marked as it stands, then our lines. What the client nominates in Connection was marked by the
// wire before we add anything (the reverse order was CVE-2026-33805 and CVE-2024-45410).

import { randomBytes } from 'node:crypto';
import type { RouteSpec } from '../core/snapshot.ts';
import { FIELD, type Fields } from '../wire/fields.ts';
import type { Message } from '../wire/framing.ts';
import type { RequestHead } from '../wire/request.ts';
import type { ResponseHead } from '../wire/response.ts';
import { flat, httpDate } from '../wire/write.ts';
import type { RouteRuntime } from './generation.ts';
import type { Peer } from './sides.ts';

const ID_LINE = 'X-Request-Id: ';
const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
/** The last two digits of a count, made once: turning a number into base 36 costs more than the rest of the line. */
const PAIRS = Array.from({ length: 36 * 36 }, (_, i) => DIGITS.charAt(i / 36) + DIGITS.charAt(i % 36));
const idPrefix = randomBytes(8).toString('hex');
let idTurn = 0;
let idHead = `${idPrefix}-0`;
let idPair = 0;

/** Unique among all processes and threads; 16 hex digits of this thread, then a count. */
export function newRequestId(): string {
  nextId();
  return idHead + PAIRS[idPair]!;
}

function nextId(): void {
  if (++idPair < PAIRS.length) return;
  idPair = 0;
  idHead = flat(`${idPrefix}-${(++idTurn).toString(36)}`);
}

/**
 * Host, where it is not the client's own line that passes on; `authority`: of the endpoint. Differs between attempts with
 * `hostHeader: endpoint`.
 */
export function endpointHostLine({ hostHeader }: RouteSpec, head: RequestHead, authority: string): string {
  if (hostHeader.kind === 'preserve' && !head.isAbsolute && head.authority !== '') return '';
  const at = head.find(FIELD.HOST);
  if (at >= 0) head.drop[at] = 1;
  if (hostHeader.kind === 'literal') return `Host: ${hostHeader.value}\r\n`;
  const isPreserved = hostHeader.kind === 'preserve' && head.authority !== '';
  return `Host: ${isPreserved ? head.authority : authority}\r\n`;
}

/** Sets `fields.drop` on every field called `lower`. */
export function dropNamed(fields: Fields, lower: string): void {
  for (let i = 0; i < fields.count; i++) if (fields.nameIs(i, lower)) fields.drop[i] = 1;
}

/** All lines of one field as one list value; '' if there is none. */
export function joined(fields: Fields, id: number): string {
  let value = '';
  for (let i = 0; i < fields.count; i++) {
    if (fields.id[i] === id) value = value === '' ? fields.value(i) : `${value}, ${fields.value(i)}`;
  }
  return value;
}

/** The lines that are the same for all requests of a connection. */
export function peerLines(peer: Peer): string {
  const proto = peer.tls === null ? 'http' : 'https';
  const from = peer.address === '' ? '' : `X-Forwarded-For: ${peer.address}\r\n`; // a UNIX socket has no address
  return `${from}X-Forwarded-Proto: ${proto}\r\n${portLine(peer)}${clientCertLine(peer)}`;
}

/** '' over a UNIX socket, which has no port. */
function portLine({ localPort }: Peer): string {
  return localPort === 0 ? '' : `X-Forwarded-Port: ${localPort}\r\n`;
}

function clientCertLine({ tls }: Peer): string {
  return tls === null || tls.clientCert === '' ? '' : `X-Forwarded-Client-Cert: ${tls.clientCert}\r\n`;
}

/**
 * Marks what an endpoint must not see and gives the lines it shall see besides, less Host (which may differ between
 * attempts). `constant` is peerLines(peer), `loopLine` this process's CDN-Loop line. `requestId` in `ids`.
 */
export function planRequest(
  head: RequestHead,
  peer: Peer,
  constant: string,
  loopLine: string,
  route: RouteRuntime,
): string {
  let extra = peer.isTrusted ? planTrusted(head, peer) : planUntrusted(head, constant);
  extra += viaOf(head) + loopLine;
  if (head.upgrade !== '') extra += 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  if (head.methodId === 7 || head.methodId === 8) extra += planMaxForwards(head);
  return edit(head, extra, route.requestDrops) + route.requestLines;
}

/**
 * planRequest for the requests of one connection. The lines for a stranger's plain request differ by its id alone while it
 * asks the same host, so they are put together once.
 */
export class RequestPlan {
  readonly #peer: Peer;
  readonly #constant: string;
  readonly #loopLine: string;
  #route: RouteRuntime | null = null;
  #authority = '';
  #via = '';
  #before = '';
  #after = '';
  /** The id of the last request in two texts that are there already, if it was made here; else `idTail` is ''. */
  idHead = '';
  idTail = '';
  /** The lines that may hold it else. */
  #lines = '';

  constructor(peer: Peer, loopLine: string) {
    this.#peer = peer;
    this.#constant = peerLines(peer);
    this.#loopLine = loopLine;
  }

  linesFor(head: RequestHead, route: RouteRuntime): string {
    const isPlain = head.upgrade === '' && head.methodId !== 7 && head.methodId !== 8;
    if (!isPlain || this.#peer.isTrusted || route.requestDrops.length > 0) return this.#planOdd(head, route);
    dropClaims(head);
    const via = viaOf(head);
    if (route !== this.#route || head.authority !== this.#authority || via !== this.#via) {
      this.#route = route;
      this.#authority = head.authority;
      this.#via = via;
      this.#before = flat(`${this.#constant}${hostLine(head)}X-Request-Id: `);
      this.#after = flat(`\r\n${via}${this.#loopLine}${route.requestLines}`);
    }
    nextId();
    this.idHead = idHead;
    this.idTail = PAIRS[idPair]!;
    return this.#before + idHead + this.idTail + this.#after;
  }

  /** What the endpoint was told as X-Request-Id of the request that `linesFor` was last asked for; '' = nothing. */
  requestIdOf(head: RequestHead): string {
    if (this.idTail !== '') return this.idHead + this.idTail;
    const at = this.#lines.indexOf(ID_LINE);
    if (at >= 0) return this.#lines.slice(at + ID_LINE.length, this.#lines.indexOf('\r', at));
    const given = this.#peer.isTrusted ? head.find(FIELD.X_REQUEST_ID) : -1;
    return given < 0 ? '' : head.value(given);
  }

  #planOdd(head: RequestHead, route: RouteRuntime): string {
    this.idTail = '';
    this.#lines = planRequest(head, this.#peer, this.#constant, this.#loopLine, route);
    return this.#lines;
  }
}

function viaOf(head: Message): string {
  if (head.isH2) return 'Via: 2.0 fermat\r\n';
  return head.minor === 0 ? 'Via: 1.0 fermat\r\n' : 'Via: 1.1 fermat\r\n';
}

function planUntrusted(head: RequestHead, constant: string): string {
  dropClaims(head);
  return `${constant}${hostLine(head)}X-Request-Id: ${newRequestId()}\r\n`;
}

/** Nothing that a stranger says about where it comes from gets through. */
function dropClaims(head: RequestHead): void {
  const { id, drop, count } = head;
  for (let i = 0; i < count; i++) {
    switch (id[i]) {
      case FIELD.X_FORWARDED_FOR:
      case FIELD.X_FORWARDED_PROTO:
      case FIELD.X_FORWARDED_HOST:
      case FIELD.X_FORWARDED_PORT:
      case FIELD.X_REQUEST_ID:
      case FIELD.X_REAL_IP:
      case FIELD.FORWARDED:
        drop[i] = 1;
        break;
      case FIELD.OTHER:
        if (claimsOrigin(head, i)) drop[i] = 1;
    }
  }
}

/** A trusted peer's word stands; its own address is appended. */
function planTrusted(head: RequestHead, peer: Peer): string {
  const { id, drop, count } = head;
  const clientCert = clientCertLine(peer);
  let hasProto = false;
  let hasHost = false;
  let hasPort = false;
  let hasId = false;
  for (let i = 0; i < count; i++) {
    switch (id[i]) {
      case FIELD.X_FORWARDED_FOR:
        drop[i] = 1;
        break;
      case FIELD.X_FORWARDED_PROTO:
        hasProto = true;
        break;
      case FIELD.X_FORWARDED_HOST:
        hasHost = true;
        break;
      case FIELD.X_FORWARDED_PORT:
        hasPort = true;
        break;
      case FIELD.X_REQUEST_ID:
        hasId = true;
        break;
      case FIELD.OTHER:
        // What its own certificate says is known here; of a connection without one, its word stands.
        if (clientCert !== '' && foldedName(head, i) === 'x-forwarded-client-cert') drop[i] = 1;
        else if (isHop(head, i)) drop[i] = 1;
    }
  }
  const before = joined(head, FIELD.X_FORWARDED_FOR);
  const by = before === '' || peer.address === '' ? before + peer.address : `${before}, ${peer.address}`;
  let extra = by === '' ? '' : `X-Forwarded-For: ${by}\r\n`;
  if (!hasProto) extra += `X-Forwarded-Proto: ${peer.tls === null ? 'http' : 'https'}\r\n`;
  if (!hasPort) extra += portLine(peer);
  if (!hasHost) extra += hostLine(head);
  if (!hasId) extra += `X-Request-Id: ${newRequestId()}\r\n`;
  return extra + clientCert;
}

function hostLine(head: RequestHead): string {
  return head.authority === '' ? '' : `X-Forwarded-Host: ${head.authority}\r\n`;
}

/** X-Forwarded-anything, Forwarded, X-Real-IP and X-Request-Id, also spelt with `_` or `.`, which many frameworks fold into `-`. */
function claimsOrigin(fields: Fields, i: number): boolean {
  const { text, nameAt, nameEnd } = fields;
  const at = nameAt[i]!;
  const first = text.charCodeAt(at) | 32;
  if (first !== 120 && first !== 102) return false; // x, f
  const length = nameEnd[i]! - at;
  switch (length) {
    case 9:
      return isFolded(text, at, 'forwarded') || isFolded(text, at, 'x-real-ip');
    case 12:
      return (
        isFolded(text, at, 'x-request-id') || isFolded(text, at, 'x-forwarded-') || isFolded(text, at, 'x-fermat-hop')
      );
    default:
      return length > 12 && isFolded(text, at, 'x-forwarded-');
  }
}

/** Where a request goes between edges is said by edges only; no endpoint, and no other edge, hears it from a client. */
function isHop({ text, nameAt, nameEnd }: Fields, i: number): boolean {
  const at = nameAt[i]!;
  return nameEnd[i]! - at === 12 && isFolded(text, at, 'x-fermat-hop');
}

/** Whether what stands at text[at] is `lower`, in letters and `-`, when case, `_` and `.` are folded. */
function isFolded(text: string, at: number, lower: string): boolean {
  for (let k = 0; k < lower.length; k++) {
    const c = text.charCodeAt(at + k);
    const want = lower.charCodeAt(k);
    if (c !== want && (want === 45 ? c !== 95 && c !== 46 : (c | 32) !== want)) return false;
  }
  return true;
}

function foldedName(fields: Fields, i: number): string {
  return fields.name(i).toLowerCase().replaceAll('_', '-').replaceAll('.', '-');
}

/** RFC 9110, 7.6.2: counted down, never invented. Zero was answered before (guard.ts). */
function planMaxForwards(head: RequestHead): string {
  const at = head.find(FIELD.MAX_FORWARDS);
  if (at < 0) return '';
  const left = maxForwardsOf(head.value(at));
  if (left < 0) return '';
  for (let i = at; i >= 0; i = head.findNext(i)) head.drop[i] = 1;
  return `Max-Forwards: ${left - 1}\r\n`;
}

/** The number in a Max-Forwards value, or -1 if it is none. */
export function maxForwardsOf(value: string): number {
  return /^[0-9]{1,9}$/.test(value) ? Number(value) : -1;
}

/** Marks what the endpoint's answer must not carry to the client, and gives the lines it shall carry besides. */
export function planResponse(head: ResponseHead, route: RouteRuntime): string {
  let extra = viaOf(head);
  if (!head.hasDate) extra += `Date: ${httpDate(Date.now())}\r\n`;
  return edit(head, extra, route.responseDrops) + route.responseLines;
}

/** What a route removes or sets goes from the other side's lines and from ours; gives what stays of ours. */
function edit(fields: Fields, extra: string, drops: readonly string[]): string {
  if (drops.length === 0) return extra;
  for (const name of drops) dropNamed(fields, name);
  const lines = extra.split('\r\n').slice(0, -1);
  const kept = lines.filter((line) => !drops.includes(line.slice(0, line.indexOf(':')).toLowerCase()));
  return kept.map((line) => `${line}\r\n`).join('');
}
