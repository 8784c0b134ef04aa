// What reading a request, a response and trailers out of a decoded block have in common. Malformed is malformed (RFC 9113 8.1.1):
// nothing is repaired.

import { tokenIs } from '../chars.ts';
import { FAULT, type Fault, NO_FAULT } from '../fault.ts';
import { FIELD, type Fields } from '../fields.ts';
import type { HeaderBlock } from './block.ts';
import { FLAW } from './huffman.ts';

/** What is about the connection and has no place in HTTP/2 (RFC 9113 8.2.2). */
const FORBIDDEN =
  (1 << FIELD.CONNECTION) |
  (1 << FIELD.KEEP_ALIVE) |
  (1 << FIELD.PROXY_CONNECTION) |
  (1 << FIELD.TRANSFER_ENCODING) |
  (1 << FIELD.UPGRADE) |
  (1 << FIELD.HTTP2_SETTINGS);
/** What is left of the fields that no hop passes on as they came. */
const OF_THIS_HOP = (1 << FIELD.TE) | (1 << FIELD.CONTENT_LENGTH);

/** Sees to it that all lines are there, and gives the fault of what is malformed in any header list, NO_FAULT if nothing is. */
export function flawOf(block: HeaderBlock): Fault {
  block.unfold();
  if ((block.seen & FORBIDDEN) !== 0) return FAULT.CONNECTION_FIELD;
  const { flaws } = block;
  if (flaws === 0) return NO_FAULT;
  if ((flaws & FLAW.PSEUDO) !== 0) return FAULT.BAD_PSEUDO;
  if ((flaws & FLAW.NAME) !== 0) return FAULT.BAD_NAME;
  return (flaws & FLAW.VALUE) !== 0 ? FAULT.CONTROL_BYTE : FAULT.EDGE_SPACE;
}

/** Whether there is any pseudo-header. */
export function hasPseudo(block: HeaderBlock): boolean {
  for (let k = 0; k < block.pseudoAt.length; k++) if (block.pseudoAt[k] !== -1) return true;
  return false;
}

/** Takes the lines of `block` over and marks what does not travel on as dropped. */
export function takeLines(block: HeaderBlock, fields: Fields): Fault {
  fields.text = block.bytes.toString('latin1', 0, block.end);
  block.giveTo(fields);
  if ((fields.seen & OF_THIS_HOP) === 0) return NO_FAULT;
  for (let i = 0; i < fields.count; i++) {
    if (fields.id[i] === FIELD.CONTENT_LENGTH) fields.drop[i] = 1;
    else if (fields.id[i] === FIELD.TE) {
      // The one that HTTP/2 has (RFC 9113 8.2.2).
      if (!tokenIs(fields.text, fields.valueAt[i]!, fields.valueEnd[i]!, 'trailers')) return FAULT.CONNECTION_FIELD;
      fields.drop[i] = 1;
    }
  }
  return NO_FAULT;
}
