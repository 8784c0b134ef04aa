// A response out of a decoded block (RFC 9113 8.3.2), as the head that HTTP/1.1 gives. Faults are the endpoint's and carry OF_RESPONSE.

import { HEX_VALUE } from '../chars.ts';
import { FAULT, type Fault, NO_FAULT, OF_RESPONSE } from '../fault.ts';
import { FIELD } from '../fields.ts';
import { FRAMING, readFraming } from '../framing.ts';
import { METHOD } from '../method.ts';
import type { ResponseHead } from '../response.ts';
import type { HeaderBlock } from './block.ts';
import { flawOf, takeLines } from './lines.ts';
import { PSEUDO } from './statics.ts';

const STATUS = PSEUDO.STATUS - PSEUDO.METHOD;

/**
 * Reads the response that `block` holds into `head`, every property of it. `methodId` (index in METHODS) is that of the request,
 * `hasBody`: END_STREAM was not set. Gives NO_FAULT, or why the stream is malformed. Never throws.
 */
export function readResponse(block: HeaderBlock, head: ResponseHead, methodId: number, hasBody: boolean): Fault {
  const fault = read(block, head, methodId, hasBody);
  return fault === NO_FAULT ? NO_FAULT : fault + OF_RESPONSE;
}

function read(block: HeaderBlock, head: ResponseHead, methodId: number, hasBody: boolean): Fault {
  const flaw = flawOf(block);
  if (flaw !== NO_FAULT) return flaw;
  const statusFault = readStatus(block, head);
  if (statusFault !== NO_FAULT) return statusFault;
  const linesFault = takeLines(block, head);
  if (linesFault !== NO_FAULT) return linesFault;
  head.minor = 1;
  head.isH2 = true;
  head.reason = '';
  head.upgrade = '';
  head.keepAlive = true;
  head.keepAliveTimeoutMs = -1;
  head.hasDate = (head.seen & (1 << FIELD.DATE)) !== 0;
  const fault = readFraming(head);
  return fault === NO_FAULT ? settleBody(head, methodId, hasBody) : fault;
}

/** :status and nothing else: three digits, the first not 0. */
function readStatus(block: HeaderBlock, head: ResponseHead): Fault {
  const { bytes, pseudoAt, pseudoEnd } = block;
  for (let k = 0; k < pseudoAt.length; k++) {
    if ((pseudoAt[k] !== -1) !== (k === STATUS)) return FAULT.BAD_PSEUDO;
  }
  const at = pseudoAt[STATUS]!;
  const a = HEX_VALUE[bytes[at]!]!;
  const b = HEX_VALUE[bytes[at + 1]!]!;
  const c = HEX_VALUE[bytes[at + 2]!]!;
  if (pseudoEnd[STATUS]! - at !== 3 || a > 9 || b > 9 || c > 9 || a === 0) return FAULT.BAD_STATUS_LINE;
  head.status = a * 100 + b * 10 + c;
  // There is no switching of protocols in HTTP/2 (RFC 9113 8.6).
  return head.status === 101 ? FAULT.BAD_STATUS_LINE : NO_FAULT;
}

/** As RFC 9112 6.3 has it for what cannot have a body; else END_STREAM says where it ends, and a length has to agree. */
function settleBody(head: ResponseHead, methodId: number, hasBody: boolean): Fault {
  const { status } = head;
  if (status < 200) {
    if (!hasBody) return FAULT.FINAL_INTERIM;
    if (head.length > 0) return FAULT.FRAMED_WITHOUT_BODY;
    head.framing = FRAMING.NONE;
    head.length = -1;
  } else if (status === 204) {
    if (head.length > 0) return FAULT.FRAMED_WITHOUT_BODY;
    head.framing = FRAMING.NONE;
    head.length = -1;
  } else if (status === 304 || methodId === METHOD.HEAD) {
    // A length here describes what is not sent: it is the endpoint's statement and travels on.
    if (head.framing === FRAMING.LENGTH) head.drop[head.find(FIELD.CONTENT_LENGTH)] = 0;
    head.framing = FRAMING.NONE;
  } else if (!hasBody) {
    if (head.length > 0) return FAULT.INCOMPLETE_BODY;
    // An empty body, not none: over HTTP/1.1 it has to be said, or it would end with the connection.
    head.framing = FRAMING.LENGTH;
    head.length = 0;
  } else if (head.framing === FRAMING.NONE) head.framing = FRAMING.CHUNKED;
  return NO_FAULT;
}
