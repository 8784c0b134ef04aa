// The one loop that reads field lines, for heads and trailers alike. It walks the bytes, not a string: a typed-array load is
// cheaper than charCodeAt, and what is malformed is refused before anything is decoded. RFC 9112 5, without its leniencies.

import { COLON, CR, HTAB, LF, SP, TOKEN_LOWER, VALUE_BYTE } from './chars.ts';
import { FAULT, type Fault } from './fault.ts';
import { FIELD, type Fields, fieldIdOf, growTo } from './fields.ts';

/** The bytes were good so far, and more are needed. */
export const NEED = -1;
/** Refused; the fault says why. */
export const BAD = -2;

/** Lines a fresh block has room for; more are rare and grow it. */
export const USUAL_LINES = 24;

// What never travels on (RFC 9110 7.6.1, and the framing, which is generated anew).
const HOP_BY_HOP = new Uint8Array(256);
for (const id of [
  FIELD.CONNECTION,
  FIELD.CONTENT_LENGTH,
  FIELD.TRANSFER_ENCODING,
  FIELD.UPGRADE,
  FIELD.TE,
  FIELD.KEEP_ALIVE,
  FIELD.PROXY_CONNECTION,
  FIELD.HTTP2_SETTINGS,
]) {
  HOP_BY_HOP[id] = 1;
}

/**
 * Reads lines from buf[at, end) up to and with the blank line. Offsets go into `f` relative to `base`. Gives the position after
 * the blank line; NEED with `f.resumeAt` at the start of the unfinished line (all bytes up to `end` were looked at and are
 * legal so far); or BAD with `f.parseFault`.
 */
export function readLines(f: Fields, buf: Uint8Array, base: number, at: number, end: number, maxLines: number): number {
  let p = at;
  let lineAt = at;
  let outcome = NEED;
  for (;;) {
    lineAt = p;
    while (p < end && TOKEN_LOWER[buf[p]!] !== 0) p++;
    if (p === end) break;
    const nameEnd = p;
    if (nameEnd === lineAt || buf[p] !== COLON) {
      outcome = endOfLines(f, buf, lineAt, nameEnd, end);
      break;
    }
    p++;
    while (p < end && (buf[p] === SP || buf[p] === HTAB)) p++;
    const valueAt = p;
    while (p < end && VALUE_BYTE[buf[p]!] !== 0) p++;
    if (p === end) break;
    if (buf[p] !== CR) {
      outcome = refuse(f, byteFault(buf[p]!));
      break;
    }
    if (p + 1 === end) break;
    if (buf[p + 1] !== LF) {
      outcome = refuse(f, FAULT.BARE_CR);
      break;
    }
    if (f.count === maxLines) {
      outcome = refuse(f, FAULT.TOO_MANY_FIELDS);
      break;
    }
    if (f.count === f.id.length) growTo(f, Math.min(maxLines, Math.max(USUAL_LINES, f.count * 2)));
    let valueEnd = p;
    while (valueEnd > valueAt && (buf[valueEnd - 1] === SP || buf[valueEnd - 1] === HTAB)) valueEnd--;
    const isPlain = valueEnd === p && valueAt === nameEnd + 2 && buf[nameEnd + 1] === SP;
    addLine(
      f,
      fieldIdOf(buf, lineAt, nameEnd),
      lineAt - base,
      nameEnd - base,
      valueAt - base,
      valueEnd - base,
      isPlain,
    );
    p += 2;
  }
  f.resumeAt = lineAt;
  return outcome;
}

function addLine(
  f: Fields,
  id: number,
  nameAt: number,
  nameEnd: number,
  valueAt: number,
  valueEnd: number,
  isPlain: boolean,
): void {
  const n = f.count;
  if (id < 32) {
    const bit = 1 << id;
    f.repeated |= f.seen & bit;
    f.seen |= bit;
  }
  f.id[n] = id;
  f.nameAt[n] = nameAt;
  f.nameEnd[n] = nameEnd;
  f.valueAt[n] = valueAt;
  f.valueEnd[n] = valueEnd;
  f.plain[n] = isPlain ? 1 : 0;
  f.drop[n] = HOP_BY_HOP[id]!;
  f.count = n + 1;
}

/** A line that has no name and colon: the blank line that ends the block, the start of it, or a fault. */
function endOfLines(f: Fields, buf: Uint8Array, lineAt: number, nameEnd: number, end: number): number {
  if (nameEnd === lineAt && buf[lineAt] === CR) {
    if (lineAt + 1 === end) return NEED;
    if (buf[lineAt + 1] === LF) return lineAt + 2;
  }
  return refuse(f, nameFault(buf[nameEnd]!, nameEnd === lineAt));
}

function refuse(f: Fields, fault: Fault): number {
  f.parseFault = fault;
  return BAD;
}

/** The fault of a byte that may not stand in a line. */
export function byteFault(byte: number): Fault {
  if (byte === LF) return FAULT.BARE_LF;
  return byte === CR ? FAULT.BARE_CR : FAULT.CONTROL_BYTE;
}

function nameFault(byte: number, isFirst: boolean): Fault {
  if (byte === LF) return FAULT.BARE_LF;
  if (byte === CR) return isFirst ? FAULT.BARE_CR : FAULT.BAD_NAME;
  if (byte === SP || byte === HTAB) return isFirst ? FAULT.OBS_FOLD : FAULT.SPACE_BEFORE_COLON;
  return FAULT.BAD_NAME;
}
