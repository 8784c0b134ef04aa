// What the fields of a head mean for its message, the same for both directions: Connection, Content-Length, Transfer-Encoding,
// Upgrade (RFC 9110 7.6, 7.8; RFC 9112 6, 9.3). Whatever could be read in two ways is a fault, never a guess.

import { COMMA, CR, HTAB, SLASH, SP, TOKEN_LOWER, tokenIs } from './chars.ts';
import { FAULT, type Fault, NO_FAULT } from './fault.ts';
import { FIELD, Fields, fieldIdOfName } from './fields.ts';

/** How the end of a body is found. */
export const FRAMING = { NONE: 0, LENGTH: 1, CHUNKED: 2, UNTIL_CLOSE: 3 } as const;
/** A value of FRAMING. */
export type Framing = number;

/** Options of Connection that mean something here, as bits. */
export const OPTION = { CLOSE: 1, KEEP_ALIVE: 2, UPGRADE: 4 } as const;

/** Options that may name fields; more are an attack on our time, not a message. */
const MAX_NOMINATIONS = 32;

// What a sender may not have taken away on the next hop: somebody behind us decides by it.
const PROTECTED = new Uint8Array(256);
for (const id of [
  FIELD.HOST,
  FIELD.CONTENT_LENGTH,
  FIELD.TRANSFER_ENCODING,
  FIELD.PROXY_AUTHORIZATION,
  FIELD.VIA,
  FIELD.CDN_LOOP,
  FIELD.FORWARDED,
  FIELD.X_FORWARDED_FOR,
  FIELD.X_FORWARDED_PROTO,
  FIELD.X_FORWARDED_HOST,
  FIELD.X_FORWARDED_PORT,
  FIELD.X_REAL_IP,
  FIELD.X_REQUEST_ID,
  FIELD.MAX_FORWARDS,
  FIELD.DATE,
  FIELD.SET_COOKIE,
  FIELD.COOKIE,
  FIELD.AUTHORIZATION,
  FIELD.WWW_AUTHENTICATE,
  FIELD.CONTENT_TYPE,
  FIELD.CONTENT_ENCODING,
  FIELD.CONTENT_RANGE,
  FIELD.CACHE_CONTROL,
  FIELD.RANGE,
  FIELD.ORIGIN,
  FIELD.LOCATION,
  FIELD.VARY,
  FIELD.EXPECT,
]) {
  PROTECTED[id] = 1;
}

/** A head of either direction: its fields, and how its body ends. */
export class Message extends Fields {
  minor: 0 | 1 = 1;
  framing: Framing = FRAMING.NONE;
  /** Content-Length, bytes; meaningful for FRAMING.LENGTH, and what was declared for HEAD and 304; -1 if not declared. */
  length = -1;
  /** Whether the sender lets the connection live on (RFC 9112 9.3). */
  keepAlive = true;
  /** Value of Upgrade; '' unless HTTP/1.1 and nominated by Connection, or :protocol of an extended CONNECT. */
  upgrade = '';
  /** It came over HTTP/2 (`minor` is 1 then). */
  isH2 = false;
}

/** Reads every Connection field, marks what it nominates as dropped, and gives OPTION bits, or the negated fault. */
export function readConnection(m: Message): number {
  if ((m.seen & (1 << FIELD.CONNECTION)) === 0) return 0;
  let options = 0;
  let nominations = 0;
  for (let i = m.find(FIELD.CONNECTION); i >= 0; i = m.findNext(i)) {
    const text = m.text;
    const end = m.valueEnd[i]!;
    let p = m.valueAt[i]!;
    if (tokenIs(text, p, end, 'keep-alive')) {
      options |= OPTION.KEEP_ALIVE;
      continue;
    }
    while (p < end) {
      const c = text.charCodeAt(p);
      if (c === COMMA || c === SP || c === HTAB) {
        p++;
        continue;
      }
      const at = p;
      p = tokenEnd(text, p, end);
      const next = skipSpace(text, p, end);
      if (p === at || (next < end && text.charCodeAt(next) !== COMMA)) return -FAULT.BAD_CONNECTION;
      if (tokenIs(text, at, p, 'keep-alive')) options |= OPTION.KEEP_ALIVE;
      else if (tokenIs(text, at, p, 'close')) options |= OPTION.CLOSE;
      else if (tokenIs(text, at, p, 'upgrade')) options |= OPTION.UPGRADE;
      else {
        if (++nominations > MAX_NOMINATIONS) return -FAULT.BAD_CONNECTION;
        dropNamed(m, text.slice(at, p).toLowerCase());
      }
      p = next;
    }
  }
  return options;
}

/** Marks the lines with this name as dropped, unless the name is protected. */
function dropNamed(f: Fields, lower: string): void {
  if (PROTECTED[fieldIdOfName(lower)] === 1 || lower.startsWith('x-forwarded-')) return;
  for (let i = 0; i < f.count; i++) {
    if (f.nameIs(i, lower)) f.drop[i] = 1;
  }
}

/** Marks trailers that the head's Connection nominates as dropped (RFC 9110 7.6.1 says it of trailers, too). */
export function dropNominated(trailers: Fields, head: Fields): void {
  for (let i = head.find(FIELD.CONNECTION); i >= 0; i = head.findNext(i)) {
    for (const option of head.value(i).split(',')) dropNamed(trailers, option.trim().toLowerCase());
  }
}

/**
 * Works out Content-Length and Transfer-Encoding: sets `length`, and `framing` to LENGTH, CHUNKED or NONE. The caller knows
 * whether there is a body at all. Any doubt is a fault.
 */
export function readFraming(m: Message): Fault {
  m.framing = FRAMING.NONE;
  m.length = -1;
  const both = (1 << FIELD.CONTENT_LENGTH) | (1 << FIELD.TRANSFER_ENCODING);
  if ((m.seen & both) === 0) return NO_FAULT;
  if ((m.seen & both) === both) return FAULT.LENGTH_AND_CODING;
  if ((m.seen & (1 << FIELD.CONTENT_LENGTH)) !== 0) {
    if ((m.repeated & (1 << FIELD.CONTENT_LENGTH)) !== 0) return FAULT.MANY_LENGTHS;
    const i = m.find(FIELD.CONTENT_LENGTH);
    const length = decimalOf(m.text, m.valueAt[i]!, m.valueEnd[i]!);
    if (length < 0) return length === TOO_LARGE ? FAULT.LENGTH_TOO_LARGE : FAULT.BAD_LENGTH;
    m.framing = FRAMING.LENGTH;
    m.length = length;
    return NO_FAULT;
  }
  if (m.minor === 0) return FAULT.CODING_IN_1_0;
  if ((m.repeated & (1 << FIELD.TRANSFER_ENCODING)) !== 0) return FAULT.BAD_CODING;
  const i = m.find(FIELD.TRANSFER_ENCODING);
  m.framing = FRAMING.CHUNKED;
  // OWS may be a tab (RFC 9110 5.6.3), but there are parsers (llhttp) that then see some other coding.
  for (let p = m.valueEnd[i]!; m.text.charCodeAt(p) !== CR; p++) {
    if (m.text.charCodeAt(p) === HTAB) return FAULT.BAD_CODING;
  }
  if (tokenIs(m.text, m.valueAt[i]!, m.valueEnd[i]!, 'chunked')) return NO_FAULT;
  return codingFault(m.value(i));
}

/** Why this Transfer-Encoding, which is not `chunked`, is refused: a defect (400), or a coding we do not have (501). */
function codingFault(value: string): Fault {
  const codings = value.toLowerCase().split(',');
  const last = codings.length - 1;
  let isForeign = false;
  for (let i = 0; i <= last; i++) {
    const coding = codings[i]!.replaceAll('\t', ' ').trim();
    if (coding === '' || tokenEnd(coding, 0, coding.length) !== coding.length) return FAULT.BAD_CODING;
    if (coding === 'identity' || (coding === 'chunked' && i !== last)) return FAULT.BAD_CODING;
    if (coding !== 'chunked') isForeign = true;
  }
  return isForeign ? FAULT.UNKNOWN_CODING : FAULT.BAD_CODING;
}

/** Value of Upgrade when Connection nominates it, '' when absent; null when it is not a list of protocols. */
export function readUpgrade(m: Message): string | null {
  let value = '';
  for (let i = m.find(FIELD.UPGRADE); i >= 0; i = m.findNext(i)) {
    value = value === '' ? m.value(i) : `${value}, ${m.value(i)}`;
  }
  return isProtocolList(value) ? value : null;
}

/** RFC 9110 7.8: #( token [ "/" token ] ), without empty elements. */
function isProtocolList(value: string): boolean {
  const end = value.length;
  let p = 0;
  while (p < end) {
    let at = p;
    p = tokenEnd(value, p, end);
    if (p === at) return false;
    if (value.charCodeAt(p) === SLASH) {
      at = p + 1;
      p = tokenEnd(value, at, end);
      if (p === at) return false;
    }
    p = skipSpace(value, p, end);
    if (p === end) return true;
    if (value.charCodeAt(p) !== COMMA) return false;
    p = skipSpace(value, p + 1, end);
  }
  return end === 0;
}

const NOT_DECIMAL = -1;
const TOO_LARGE = -2;

/** 1*DIGIT at text[at, end), up to 2^53 - 1; NOT_DECIMAL or TOO_LARGE otherwise. */
function decimalOf(text: string, at: number, end: number): number {
  if (at === end) return NOT_DECIMAL;
  let value = 0;
  for (let p = at; p < end; p++) {
    const digit = text.charCodeAt(p) - 48;
    if (digit < 0 || digit > 9) return NOT_DECIMAL;
    value = value * 10 + digit;
  }
  return value > Number.MAX_SAFE_INTEGER ? TOO_LARGE : value;
}

/** Where the token that starts at text[at] ends; `at` if none does. */
export function tokenEnd(text: string, at: number, end: number): number {
  let p = at;
  while (p < end && isTokenCode(text.charCodeAt(p))) p++;
  return p;
}

function isTokenCode(code: number): boolean {
  return code < 128 && TOKEN_LOWER[code] !== 0;
}

/** The first position from `at` that is neither SP nor HTAB, or `end`. */
export function skipSpace(text: string, at: number, end: number): number {
  let p = at;
  while (p < end && (text.charCodeAt(p) === SP || text.charCodeAt(p) === HTAB)) p++;
  return p;
}
