// Clients split Cookie into lines that compress well; HTTP/1.1 knows one line only (RFC 9113 8.2.3). They are joined in the block's own
// bytes: what follows them moves up, and the one line stands last.

import { FIELD } from '../fields.ts';
import type { HeaderBlock } from './block.ts';

const SP = 32;
const SEMICOLON = 59;
const CR = 13;
const LF = 10;
/** `cookie: `. */
const NAME_BYTES = 8;

/** Joins the Cookie lines by `; `, if there are several. Empty ones vanish. */
export function joinCookies(block: HeaderBlock): void {
  const bit = 1 << FIELD.COOKIE;
  if ((block.repeated & bit) === 0) return;
  block.repeated &= ~bit;
  const from = block.end;
  block.reserve(from, from);
  const first = block.id.indexOf(FIELD.COOKIE);
  const to = append(block, first);
  const { bytes, id, nameAt, nameEnd, valueAt, valueEnd, count } = block;
  let n = first;
  let end = nameAt[first]!;
  for (let i = first; i < count; i++) {
    if (id[i] === FIELD.COOKIE) continue;
    const at = nameAt[i]!;
    const lineEnd = valueEnd[i]! + 2;
    bytes.copyWithin(end, at, lineEnd);
    const shift = at - end;
    id[n] = id[i]!;
    nameAt[n] = at - shift;
    nameEnd[n] = nameEnd[i]! - shift;
    valueAt[n] = valueAt[i]! - shift;
    valueEnd[n] = valueEnd[i]! - shift;
    n++;
    end += lineEnd - at;
  }
  bytes.copyWithin(end, from, to);
  id[n] = FIELD.COOKIE;
  nameAt[n] = end;
  nameEnd[n] = end + NAME_BYTES - 2;
  valueAt[n] = end + NAME_BYTES;
  valueEnd[n] = end + (to - from) - 2;
  block.count = n + 1;
  block.end = end + (to - from);
}

/** Writes the joined line behind the others; gives where it ends. */
function append(block: HeaderBlock, firstCookie: number): number {
  const { bytes, id, valueAt, valueEnd, count } = block;
  let to = block.end;
  const nameAt = block.nameAt[firstCookie]!;
  bytes.copyWithin(to, nameAt, nameAt + NAME_BYTES);
  to += NAME_BYTES;
  const joinedAt = to;
  for (let i = firstCookie; i < count; i++) {
    if (id[i] !== FIELD.COOKIE || valueAt[i] === valueEnd[i]) continue;
    if (to > joinedAt) {
      bytes[to++] = SEMICOLON;
      bytes[to++] = SP;
    }
    bytes.copyWithin(to, valueAt[i]!, valueEnd[i]!);
    to += valueEnd[i]! - valueAt[i]!;
  }
  bytes[to++] = CR;
  bytes[to++] = LF;
  return to;
}
