// A request out of a decoded block (RFC 9113 8.3.1), as the head that HTTP/1.1 gives: nobody further in has to know. What is malformed
// in HTTP/2, or would mean something else on its way through HTTP/1.1, is refused with the fault that names it.

import { SLASH, TARGET_BYTE, TOKEN_LOWER } from '../chars.ts';
import { FAULT, type Fault, NO_FAULT } from '../fault.ts';
import { FIELD, growTo } from '../fields.ts';
import { FRAMING, readFraming } from '../framing.ts';
import { Authority } from '../host.ts';
import { USUAL_LINES } from '../lines.ts';
import { METHOD, METHODS, methodIdOf, type RequestHead, settleExpect } from '../request.ts';
import type { HeaderBlock } from './block.ts';
import { joinCookies } from './cookies.ts';
import { flawOf, pseudoAt, readPseudo, takeLines } from './lines.ts';
import { PSEUDO } from './statics.ts';

const STAR = 42;
/** `host: `, what stands before the value of a Host line. */
const HOST_NAME = [104, 111, 115, 116, 58, 32];
const CR = 13;
const LF = 10;

/** The authority seen last: connections and clients mostly ask for the same. */
const authority = new Authority();

/**
 * Reads the request that `block` holds into `head`, every property of it; `block` is used up. `hasBody`: END_STREAM was not set.
 * Gives NO_FAULT, or why the stream is malformed. Never throws.
 */
export function readRequest(block: HeaderBlock, head: RequestHead, hasBody: boolean): Fault {
  const flaw = flawOf(block);
  if (flaw !== NO_FAULT) return flaw;
  const first = readPseudo(block);
  if (first < 0) return FAULT.BAD_PSEUDO;
  const startFault = readStart(block, head);
  if (startFault !== NO_FAULT) return startFault;
  joinCookies(block, first);
  const base = putHostLine(block, head, first);
  const linesFault = takeLines(block, first, base, head);
  if (linesFault !== NO_FAULT) return linesFault;
  head.text = block.bytes.toString('latin1', base, block.end);
  head.minor = 1;
  head.isH2 = true;
  head.isAbsolute = false;
  head.keepAlive = true;
  const hostFault = settleHost(head, pseudoAt[PSEUDO.AUTHORITY - PSEUDO.METHOD]! >= 0);
  if (hostFault !== NO_FAULT) return hostFault;
  settleExpect(head);
  return settleFraming(head, hasBody);
}

/** Method, scheme, path and protocol. */
function readStart(block: HeaderBlock, head: RequestHead): Fault {
  const { bytes, valueAt, valueEnd } = block;
  const method = pseudoAt[PSEUDO.METHOD - PSEUDO.METHOD]!;
  if (method < 0 || pseudoAt[PSEUDO.STATUS - PSEUDO.METHOD]! >= 0) return FAULT.BAD_PSEUDO;
  if (!isToken(bytes, valueAt[method]!, valueEnd[method]!)) return FAULT.BAD_METHOD;
  const methodId = methodIdOf(bytes, valueAt[method]!, valueEnd[method]!);
  const protocol = pseudoAt[PSEUDO.PROTOCOL - PSEUDO.METHOD]!;
  if (methodId === METHOD.CONNECT && protocol < 0) return FAULT.CONNECT;
  head.isExtendedConnect = protocol >= 0;
  head.upgrade = '';
  if (protocol >= 0) {
    if (methodId !== METHOD.CONNECT || pseudoAt[PSEUDO.AUTHORITY - PSEUDO.METHOD]! < 0) return FAULT.BAD_PSEUDO;
    if (!isToken(bytes, valueAt[protocol]!, valueEnd[protocol]!)) return FAULT.BAD_UPGRADE;
    head.upgrade = bytes.toString('latin1', valueAt[protocol], valueEnd[protocol]);
    head.methodId = METHOD.GET;
    head.method = 'GET';
  } else {
    head.methodId = methodId;
    head.method = methodId === 0 ? bytes.toString('latin1', valueAt[method], valueEnd[method]) : METHODS[methodId]!;
  }
  const scheme = pseudoAt[PSEUDO.SCHEME - PSEUDO.METHOD]!;
  const path = pseudoAt[PSEUDO.PATH - PSEUDO.METHOD]!;
  if (scheme < 0 || path < 0 || !isHttp(bytes, valueAt[scheme]!, valueEnd[scheme]!)) return FAULT.BAD_PSEUDO;
  if (!isPath(bytes, valueAt[path]!, valueEnd[path]!, methodId)) return FAULT.BAD_TARGET;
  head.target = bytes.toString('latin1', valueAt[path], valueEnd[path]);
  head.path = head.target;
  return NO_FAULT;
}

function isToken(bytes: Buffer, at: number, end: number): boolean {
  let p = at;
  while (p < end && TOKEN_LOWER[bytes[p]!] !== 0) p++;
  return p === end && end > at;
}

/** `http` or `https`; schemes are case-insensitive. */
function isHttp(bytes: Buffer, at: number, end: number): boolean {
  const n = end - at;
  return (
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
 * have been read: its own line was longer. Gives where the text of the head starts.
 */
function putHostLine(block: HeaderBlock, head: RequestHead, first: number): number {
  head.clear();
  const end = first < block.count ? block.nameAt[first]! : block.end;
  const at = pseudoAt[PSEUDO.AUTHORITY - PSEUDO.METHOD]!;
  if (at < 0) return end;
  const { bytes } = block;
  const from = block.valueAt[at]!;
  const valueBytes = block.valueEnd[at]! - from;
  const valueAt = end - 2 - valueBytes;
  const base = valueAt - HOST_NAME.length;
  bytes.copyWithin(valueAt, from, from + valueBytes);
  for (let k = 0; k < HOST_NAME.length; k++) bytes[base + k] = HOST_NAME[k]!;
  bytes[end - 2] = CR;
  bytes[end - 1] = LF;
  if (head.id.length === 0) growTo(head, USUAL_LINES);
  head.id[0] = FIELD.HOST;
  head.nameAt[0] = 0;
  head.nameEnd[0] = HOST_NAME.length - 2;
  head.valueAt[0] = HOST_NAME.length;
  head.valueEnd[0] = HOST_NAME.length + valueBytes;
  head.plain[0] = 1;
  head.drop[0] = 0;
  head.seen = 1 << FIELD.HOST;
  head.count = 1;
  return base;
}

/** One authority: :authority, or else Host; both only if they say the same (RFC 9113 8.3.1). */
function settleHost(head: RequestHead, hasAuthority: boolean): Fault {
  const bit = 1 << FIELD.HOST;
  if ((head.seen & bit) === 0) return FAULT.NO_HOST;
  const i = head.find(FIELD.HOST);
  if (!authority.parse(head.text, head.valueAt[i]!, head.valueEnd[i]!)) return FAULT.BAD_HOST;
  head.authority = authority.text;
  head.host = authority.host;
  head.port = authority.port;
  if ((head.repeated & bit) === 0) return NO_FAULT;
  const second = head.findNext(i);
  if (!hasAuthority || head.findNext(second) >= 0) return FAULT.MANY_HOSTS;
  if (head.value(second).toLowerCase() !== head.authority.toLowerCase()) return FAULT.HOST_DIFFERS;
  head.drop[second] = 1;
  head.repeated &= ~bit;
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
