// Byte classes of RFC 9110 and 9112 as 256-entry tables: one load a byte, no regular expressions. Bytes, not Unicode: obs-text
// (0x80-0xff) is allowed in field values and nowhere else. No other module writes out a character class.

export const HTAB = 9;
export const LF = 10;
export const CR = 13;
export const SP = 32;
export const COMMA = 44;
export const SLASH = 47;
export const COLON = 58;

/** The lower-case code of a tchar (RFC 9110 5.6.2), 0 for every other byte: validates and folds in one load. */
export const TOKEN_LOWER = new Uint8Array(256);
/** 1: may stand in a field value: VCHAR, obs-text, SP, HTAB (RFC 9110 5.5). */
export const VALUE_BYTE = new Uint8Array(256);
/** 1: may stand in a request-target: visible ASCII but `#`; stricter in what it bars than browsers, laxer than RFC 3986. */
export const TARGET_BYTE = new Uint8Array(256);
/**
 * Lower-case code of a byte of a reg-name (unreserved, sub-delims; RFC 3986 3.2.2), else 0. Percent-encoding is left out on
 * purpose: a name that one party decodes and another compares as it stands is two names.
 */
export const HOST_LOWER = new Uint8Array(256);
/** 0-15, or 255 for what is no hexadecimal digit. */
export const HEX_VALUE = new Uint8Array(256).fill(255);

for (let c = 0; c < 256; c++) {
  const isUpper = c >= 65 && c <= 90;
  const isLower = c >= 97 && c <= 122;
  const isDigit = c >= 48 && c <= 57;
  const ch = String.fromCharCode(c);
  const low = isUpper ? c + 32 : c;
  if (isUpper || isLower || isDigit || "!#$%&'*+-.^_`|~".includes(ch)) TOKEN_LOWER[c] = low;
  if (c === HTAB || (c >= 32 && c !== 127)) VALUE_BYTE[c] = 1;
  if (c > 32 && c < 127 && ch !== '#') TARGET_BYTE[c] = 1;
  if (isUpper || isLower || isDigit || "-._~!$&'()*+,;=".includes(ch)) HOST_LOWER[c] = low;
  if (isDigit) HEX_VALUE[c] = c - 48;
  if (low >= 97 && low <= 102) HEX_VALUE[c] = low - 87;
}

/** Whether text[at, end) equals `lower` (lower-case ASCII), case-insensitively; both are tokens. */
export function tokenIs(text: string, at: number, end: number, lower: string): boolean {
  if (end - at !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    if (TOKEN_LOWER[text.charCodeAt(at + i)] !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** The bytes buf[at, end) as text, one char a byte. `toString('latin1')` less the look-up of the encoding. */
export function latin1(buf: Buffer, at: number, end: number): string {
  return (buf as Buffer & { latin1Slice(at: number, end: number): string }).latin1Slice(at, end);
}

/** Up to here comparing costs less than decoding. */
const MAX_COMPARED = 64;

/** The same, but `last` itself if that is what the bytes say, as they often do: then nothing is made. */
export function latin1Again(buf: Buffer, at: number, end: number, last: string): string {
  const n = end - at;
  if (n !== last.length || n > MAX_COMPARED) return latin1(buf, at, end);
  for (let i = 0; i < n; i++) if (buf[at + i] !== last.charCodeAt(i)) return latin1(buf, at, end);
  return last;
}
