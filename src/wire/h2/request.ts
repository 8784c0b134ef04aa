// A request out of a decoded block (RFC 9113 8.3.1), as the head that HTTP/1.1 gives: nobody further in has to know. What is malformed
// in HTTP/2, or would mean something else on its way through HTTP/1.1, is refused with the fault that names it.

import { SLASH, TARGET_BYTE, TOKEN_LOWER } from '../chars.ts';
import { FAULT, type Fault, NO_FAULT } from '../fault.ts';
import { FIELD } from '../fields.ts';
import { FRAMING, readFraming } from '../framing.ts';
import { Authority } from '../host.ts';
import { METHOD, METHODS, methodIdOf } from '../method.ts';
import { type RequestHead, settleExpect } from '../request.ts';
import type { HeaderBlock } from './block.ts';
import { joinCookies } from './cookies.ts';
import { flawOf, takeLines } from './lines.ts';
import { PSEUDO } from './statics.ts';

// Places in HeaderBlock.pseudoAt.
const METHOD_AT = PSEUDO.METHOD - PSEUDO.METHOD;
const SCHEME_AT = PSEUDO.SCHEME - PSEUDO.METHOD;
const AUTHORITY_AT = PSEUDO.AUTHORITY - PSEUDO.METHOD;
const PATH_AT = PSEUDO.PATH - PSEUDO.METHOD;
const STATUS_AT = PSEUDO.STATUS - PSEUDO.METHOD;
const PROTOCOL_AT = PSEUDO.PROTOCOL - PSEUDO.METHOD;

const STAR = 42;
/** `host: `, what stands before the value of a Host line. */
const HOST_NAME = [104, 111, 115, 116, 58, 32];
const CR = 13;
const LF = 10;

const HOST_BIT = 1 << FIELD.HOST;
/** Fields by which more of a head is set than its lines. */
const OF_ONE_REQUEST = (1 << FIELD.CONTENT_LENGTH) | (1 << FIELD.TE) | (1 << FIELD.EXPECT);

/** The authority seen last: connections and clients mostly ask for the same. */
const authority = new Authority();

/**
 * Reads the request that `block` holds into `head`, every property of it; `block` is used up. `hasBody`: END_STREAM was not set.
 * Gives NO_FAULT, or why the stream is malformed. Never throws.
 */
export function readRequest(block: HeaderBlock, head: RequestHead, hasBody: boolean): Fault {
  if (block.isFolded && block.flaws === 0 && head.linesStamp === block.stamp && isAuthority(block, head.authority)) {
    return readAgain(block, head, hasBody);
  }
  head.linesStamp = 0;
  const flaw = flawOf(block);
  if (flaw !== NO_FAULT) return flaw;
  const startFault = readStart(block, head);
  if (startFault !== NO_FAULT) return startFault;
  joinCookies(block);
  const hasAuthority = block.hosts === 1;
  if (hasAuthority) putHostLine(block);
  const linesFault = takeLines(block, head);
  if (linesFault !== NO_FAULT) return linesFault;
  const hostFault = settleHost(head, hasAuthority);
  if (hostFault !== NO_FAULT) return hostFault;
  head.minor = 1;
  head.isH2 = true;
  head.isAbsolute = false;
  head.keepAlive = true;
  settleExpect(head);
  const fault = settleFraming(head, hasBody);
  if (fault === NO_FAULT && hasAuthority && (head.seen & OF_ONE_REQUEST) === 0 && (block.repeated & HOST_BIT) === 0) {
    head.linesStamp = block.stamp;
  }
  return fault;
}

/** The same lines as `head` has from the last time; only what stands in pseudo-headers may be new. */
function readAgain(block: HeaderBlock, head: RequestHead, hasBody: boolean): Fault {
  block.leaveFolded();
  const fault = readStart(block, head);
  if (fault !== NO_FAULT) return fault;
  const { drop, count } = head;
  for (let i = 0; i < count; i++) drop[i] = 0;
  head.framing = hasBody && !head.isExtendedConnect ? FRAMING.CHUNKED : FRAMING.NONE;
  return NO_FAULT;
}

/** Whether :authority is this, byte for byte. */
function isAuthority(block: HeaderBlock, authority: string): boolean {
  const { bytes } = block;
  const at = block.pseudoAt[AUTHORITY_AT]!;
  if (block.pseudoEnd[AUTHORITY_AT]! - at !== authority.length) return false;
  for (let k = 0; k < authority.length; k++) if (bytes[at + k] !== authority.charCodeAt(k)) return false;
  return true;
}

/** Method, scheme, path and protocol. */
function readStart(block: HeaderBlock, head: RequestHead): Fault {
  const { bytes, pseudoAt, pseudoEnd } = block;
  const methodAt = pseudoAt[METHOD_AT]!;
  const methodEnd = pseudoEnd[METHOD_AT]!;
  if (methodAt < 0 || pseudoAt[STATUS_AT]! >= 0) return FAULT.BAD_PSEUDO;
  if (!isToken(bytes, methodAt, methodEnd)) return FAULT.BAD_METHOD;
  const methodId = methodIdOf(bytes, methodAt, methodEnd);
  head.methodId = methodId;
  head.method = methodId === 0 ? bytes.toString('latin1', methodAt, methodEnd) : METHODS[methodId]!;
  head.isExtendedConnect = pseudoAt[PROTOCOL_AT]! >= 0;
  head.upgrade = '';
  if (head.isExtendedConnect || methodId === METHOD.CONNECT) {
    const fault = readConnect(block, head);
    if (fault !== NO_FAULT) return fault;
  }
  const pathAt = pseudoAt[PATH_AT]!;
  const pathEnd = pseudoEnd[PATH_AT]!;
  if (pathAt < 0 || !isHttp(bytes, pseudoAt[SCHEME_AT]!, pseudoEnd[SCHEME_AT]!)) return FAULT.BAD_PSEUDO;
  if (!isPath(bytes, pathAt, pathEnd, methodId)) return FAULT.BAD_TARGET;
  head.target = bytes.toString('latin1', pathAt, pathEnd);
  head.path = head.target;
  return NO_FAULT;
}

/** CONNECT is refused, the extended one (RFC 8441 4) is a GET that asks for an upgrade. */
function readConnect(block: HeaderBlock, head: RequestHead): Fault {
  const { bytes, pseudoAt, pseudoEnd } = block;
  if (!head.isExtendedConnect) return FAULT.CONNECT;
  if (head.methodId !== METHOD.CONNECT || block.hosts === 0) return FAULT.BAD_PSEUDO;
  const at = pseudoAt[PROTOCOL_AT]!;
  const end = pseudoEnd[PROTOCOL_AT]!;
  if (!isToken(bytes, at, end)) return FAULT.BAD_UPGRADE;
  head.upgrade = bytes.toString('latin1', at, end);
  head.methodId = METHOD.GET;
  head.method = 'GET';
  return NO_FAULT;
}

function isToken(bytes: Buffer, at: number, end: number): boolean {
  let p = at;
  while (p < end && TOKEN_LOWER[bytes[p]!] !== 0) p++;
  return p === end && end > at;
}

/** `http` or `https`; schemes are case-insensitive. `at` may be -1: there is none. */
function isHttp(bytes: Buffer, at: number, end: number): boolean {
  const n = end - at;
  return (
    at >= 0 &&
    (n === 4 || (n === 5 && (bytes[at + 4]! | 32) === 115)) &&
    (bytes[at]! | 32) === 104 &&
    (bytes[at + 1]! | 32) === 116 &&
    (bytes[at + 2]! | 32) === 116 &&
    (bytes[at + 3]! | 32) === 112
  );
}

/** Whether it may stand in an HTTP/1.1 request line as origin-form or, of OPTIONS, as `*`. */
function isPath(bytes: Buffer, at: number, end: number, methodId: number): boolean {
  if (at === end) return false;
  if (bytes[at] === STAR) return end === at + 1 && methodId === METHOD.OPTIONS;
  if (bytes[at] !== SLASH) return false;
  let p = at + 1;
  while (p < end && TARGET_BYTE[bytes[p]!] !== 0) p++;
  return p === end;
}

/**
 * Makes :authority the Host line that an HTTP/1.1 endpoint is to get, right before the first regular line, over pseudo-headers that
 * have been read: its own line was longer.
 */
function putHostLine(block: HeaderBlock): void {
  const { bytes, regularAt } = block;
  const from = block.pseudoAt[AUTHORITY_AT]!;
  const valueBytes = block.pseudoEnd[AUTHORITY_AT]! - from;
  const valueAt = regularAt - 2 - valueBytes;
  const nameAt = valueAt - HOST_NAME.length;
  copyUp(bytes, from, valueBytes, valueAt);
  for (let k = 0; k < HOST_NAME.length; k++) bytes[nameAt + k] = HOST_NAME[k]!;
  bytes[regularAt - 2] = CR;
  bytes[regularAt - 1] = LF;
  block.nameAt[0] = nameAt;
  block.nameEnd[0] = valueAt - 2;
  block.valueAt[0] = valueAt;
  block.valueEnd[0] = regularAt - 2;
}

/** Moves a few bytes to where they may overlap with themselves, further up. */
function copyUp(bytes: Buffer, from: number, count: number, to: number): void {
  for (let k = count - 1; k >= 0; k--) bytes[to + k] = bytes[from + k]!;
}

/** One authority: :authority, or else Host; both only if they say the same (RFC 9113 8.3.1). */
function settleHost(head: RequestHead, hasAuthority: boolean): Fault {
  if ((head.seen & HOST_BIT) === 0) return FAULT.NO_HOST;
  const i = head.find(FIELD.HOST);
  if (!authority.parse(head.text, head.valueAt[i]!, head.valueEnd[i]!)) return FAULT.BAD_HOST;
  head.authority = authority.text;
  head.host = authority.host;
  head.port = authority.port;
  if ((head.repeated & HOST_BIT) === 0) return NO_FAULT;
  const second = head.findNext(i);
  if (!hasAuthority || head.findNext(second) >= 0) return FAULT.MANY_HOSTS;
  if (head.value(second).toLowerCase() !== head.authority.toLowerCase()) return FAULT.HOST_DIFFERS;
  head.drop[second] = 1;
  head.repeated &= ~HOST_BIT;
  return NO_FAULT;
}

function settleFraming(head: RequestHead, hasBody: boolean): Fault {
  const fault = readFraming(head);
  if (fault !== NO_FAULT) return fault;
  if (head.isExtendedConnect) {
    head.framing = FRAMING.NONE;
    head.length = -1;
  } else if (!hasBody && head.length > 0) return FAULT.INCOMPLETE_BODY;
  else if (hasBody && head.framing === FRAMING.NONE) head.framing = FRAMING.CHUNKED;
  return NO_FAULT;
}
