// What reading a request, a response and trailers out of a decoded block have in common: the pseudo-headers in front, then lines
// that are taken over into `Fields` as they lie. Malformed is malformed (RFC 9113 8.1.1): nothing is repaired.

import { tokenIs } from '../chars.ts';
import { FAULT, type Fault, NO_FAULT } from '../fault.ts';
import { FIELD, type Fields, growTo } from '../fields.ts';
import { HOP_BY_HOP, USUAL_LINES } from '../lines.ts';
import type { HeaderBlock } from './block.ts';
import { FLAW } from './huffman.ts';
import { PSEUDO } from './statics.ts';

/** Line of each pseudo-header of the block read last, by id - PSEUDO.METHOD; -1 if it is not there. */
export const pseudoAt: Int32Array = new Int32Array(PSEUDO.UNKNOWN - PSEUDO.METHOD);

// How a regular line is to be looked at, by id: anything but 0 is rare.
const CARE = { FORBIDDEN: 1, TE: 2 } as const;
const CARE_OF = new Uint8Array(256);
for (const id of [
  FIELD.CONNECTION,
  FIELD.KEEP_ALIVE,
  FIELD.PROXY_CONNECTION,
  FIELD.TRANSFER_ENCODING,
  FIELD.UPGRADE,
  FIELD.HTTP2_SETTINGS,
]) {
  CARE_OF[id] = CARE.FORBIDDEN;
}
CARE_OF[FIELD.TE] = CARE.TE;

/** The fault of bytes that may not stand where they stood; NO_FAULT if there are none. */
export function flawOf(block: HeaderBlock): Fault {
  if (block.flaws === 0) return NO_FAULT;
  if ((block.flaws & FLAW.NAME) !== 0) return FAULT.BAD_NAME;
  return (block.flaws & FLAW.VALUE) !== 0 ? FAULT.CONTROL_BYTE : FAULT.EDGE_SPACE;
}

/** Finds the pseudo-headers and sets `pseudoAt`: gives the first regular line, or -1 for one that is unknown or comes twice. */
export function readPseudo(block: HeaderBlock): number {
  const { id, count } = block;
  pseudoAt.fill(-1);
  let i = 0;
  for (; i < count && id[i]! >= PSEUDO.METHOD; i++) {
    const k = id[i]! - PSEUDO.METHOD;
    if (k >= pseudoAt.length || pseudoAt[k] !== -1) return -1;
    pseudoAt[k] = i;
  }
  return i;
}

/**
 * Appends the lines of `block` from line `first` on to `fields`, whose text starts at block.bytes[base], and marks what does not
 * travel on as dropped. A pseudo-header here is one after a regular field.
 */
export function takeLines(block: HeaderBlock, first: number, base: number, fields: Fields): Fault {
  const { count } = block;
  const total = fields.count + count - first;
  if (total > fields.id.length) growTo(fields, Math.max(USUAL_LINES, total, fields.id.length * 2));
  const { id, nameAt, nameEnd, valueAt, valueEnd, plain, drop } = fields;
  let { seen, repeated } = fields;
  let n = fields.count;
  for (let i = first; i < count; i++, n++) {
    const one = block.id[i]!;
    if (one >= PSEUDO.METHOD) return FAULT.BAD_PSEUDO;
    if (CARE_OF[one] !== 0 && !(CARE_OF[one] === CARE.TE && isTrailers(block, i))) return FAULT.CONNECTION_FIELD;
    if (one < 32) {
      const bit = 1 << one;
      repeated |= seen & bit;
      seen |= bit;
    }
    id[n] = one;
    nameAt[n] = block.nameAt[i]! - base;
    nameEnd[n] = block.nameEnd[i]! - base;
    valueAt[n] = block.valueAt[i]! - base;
    valueEnd[n] = block.valueEnd[i]! - base;
    plain[n] = 1;
    drop[n] = HOP_BY_HOP[one]!;
  }
  fields.seen = seen;
  fields.repeated = repeated;
  fields.count = n;
  return NO_FAULT;
}

/** The one TE that HTTP/2 has (RFC 9113 8.2.2). */
function isTrailers(block: HeaderBlock, i: number): boolean {
  const value = block.bytes.toString('latin1', block.valueAt[i], block.valueEnd[i]);
  return tokenIs(value, 0, value.length, 'trailers');
}
