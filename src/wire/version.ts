// The version at the end of a request line: HTTP/1.0 or HTTP/1.1, and what exactly is wrong with anything else (RFC 9112, 2.3).

import { CR, HEX_VALUE, LF, SLASH, VALUE_BYTE } from './chars.ts';
import { FAULT, type Fault, NO_FAULT } from './fault.ts';
import { byteFault } from './lines.ts';

/** `HTTP/1.1` and CRLF. */
export const VERSION_BYTES = 10;
const VERSION = [72, 84, 84, 80, 47];
const DOT = 46;
const DIGIT_0 = 48;
export const DIGIT_1 = 49;

/** Whether buf[at, at + 10) is `HTTP/1.0` or `HTTP/1.1` and CRLF; all of it is there. */
export function isVersion(buf: Buffer, at: number): boolean {
  return (
    buf[at] === 72 &&
    buf[at + 1] === 84 &&
    buf[at + 2] === 84 &&
    buf[at + 3] === 80 &&
    buf[at + 4] === SLASH &&
    buf[at + 5] === DIGIT_1 &&
    buf[at + 6] === DOT &&
    (buf[at + 7] === DIGIT_1 || buf[at + 7] === DIGIT_0) &&
    buf[at + 8] === CR &&
    buf[at + 9] === LF
  );
}

/** What is wrong with what follows the target; NO_FAULT if it may still become a version. */
export function versionFault(buf: Buffer, at: number, end: number): Fault {
  let isForeign = false;
  for (let k = 0; k < VERSION_BYTES && at + k < end; k++) {
    const byte = buf[at + k]!;
    const isDigit = HEX_VALUE[byte]! < 10;
    if (
      k < 5 ? byte === VERSION[k] : k === 6 ? byte === DOT : k === 8 ? byte === CR : k === 9 ? byte === LF : isDigit
    ) {
      if (k === 5 && byte !== DIGIT_1) isForeign = true;
      if (k === 7 && byte > DIGIT_1) isForeign = true;
      continue;
    }
    return k === 9 ? FAULT.BARE_CR : startFault(byte, FAULT.BAD_VERSION);
  }
  return isForeign && end - at >= VERSION_BYTES ? FAULT.UNSUPPORTED_VERSION : NO_FAULT;
}

/** Names bare line ends and control bytes for what they are; the rest is what the place says. */
export function startFault(byte: number, otherwise: Fault): Fault {
  if (byte === CR) return FAULT.BAD_REQUEST_LINE;
  return VALUE_BYTE[byte] === 1 ? otherwise : byteFault(byte);
}
