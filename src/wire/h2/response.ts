// A response out of a decoded block (RFC 9113 8.3.2), as the head that HTTP/1.1 gives. Faults are the endpoint's and carry OF_RESPONSE.

import { HEX_VALUE } from '../chars.ts';
import { FAULT, type Fault, NO_FAULT, OF_RESPONSE } from '../fault.ts';
import { FIELD } from '../fields.ts';
import { FRAMING, readFraming } from '../framing.ts';
import { METHOD } from '../request.ts';
import type { ResponseHead } from '../response.ts';
import type { HeaderBlock } from './block.ts';
import { flawOf, pseudoAt, readPseudo, takeLines } from './lines.ts';
import { PSEUDO } from './statics.ts';

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
  const first = readPseudo(block);
  const at = pseudoAt[PSEUDO.STATUS - PSEUDO.METHOD]!;
  if (first !== 1 || at !== 0) return FAULT.BAD_PSEUDO;
  head.status = statusOf(block.bytes, block.valueAt[0]!, block.valueEnd[0]!);
  // There is no switching of protocols in HTTP/2 (RFC 9113 8.6).
  if (head.status === 0 || head.status === 101) return FAULT.BAD_STATUS_LINE;
  const base = block.valueEnd[0]! + 2;
  head.clear();
  const linesFault = takeLines(block, 1, base, head);
  if (linesFault !== NO_FAULT) return linesFault;
  head.text = block.bytes.toString('latin1', base, block.end);
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

/** Three digits, the first not 0; 0 for anything else. */
function statusOf(bytes: Buffer, at: number, end: number): number {
  if (end - at !== 3) return 0;
  const [a, b, c] = [HEX_VALUE[bytes[at]!]!, HEX_VALUE[bytes[at + 1]!]!, HEX_VALUE[bytes[at + 2]!]!];
  return a > 9 || b > 9 || c > 9 || a === 0 ? 0 : a * 100 + b * 10 + c;
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
    head.framing = FRAMING.NONE;
  } else if (head.framing === FRAMING.NONE) head.framing = FRAMING.CHUNKED;
  return NO_FAULT;
}
