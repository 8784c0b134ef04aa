// HPACK the other way: fields out of heads, which are latin1 text and offsets, and out of lines of our own, into a block. Names of the
// static table go as its number, values as they stand.

import { TOKEN_LOWER } from '../chars.ts';
import { FIELD, type Fields } from '../fields.ts';
import { NAME, NAME_OF_FIELD, nameOf } from './names.ts';
import type { Out } from './out.ts';
import { STATIC_COUNT, STATIC_TABLE } from './statics.ts';

const INDEXED = 0x80;
const LITERAL = 0x00;
const NEVER = 0x10;
const LITERAL_PREFIX = 15;
const STRING_PREFIX = 127;
const RESIZE = 0x20;
const RESIZE_PREFIX = 31;
/** Most bytes of punctuation a field: its name's number or length, and its value's length. */
const FIELD_PUNCTUATION = 12;
/** Static indices. */
const AUTHORITY = 1;
const METHOD = 2;
const PATH = 4;
const SCHEME = 6;
const STATUS = 8;

/** Static index of a status that has one, by status. */
const STATUS_INDEX = new Uint8Array(1000);
for (let i = STATUS; i <= STATIC_COUNT && STATIC_TABLE[i]![0] === ':status'; i++) {
  STATUS_INDEX[Number(STATIC_TABLE[i]![1])] = i;
}

/** Writes the blocks of one direction of one connection. A block is one `status` or `request`, then fields in any of the ways. */
export class HpackEncoder {
  /** A limit of the peer's that is to be told it at the start of the next block; -1: none. */
  #toldSize = -1;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, bytes. Call between blocks. */
  tableSize(bytes: number): void {
    // There is no table of ours yet, so nothing of it is ever used; a limit below the default has to be acknowledged.
    if (bytes < 4096) this.#toldSize = 0;
  }

  /** :status. 100-999. */
  status(out: Out, status: number): void {
    out.reserve(2 * FIELD_PUNCTUATION);
    this.#begin(out);
    const index = STATUS_INDEX[status]!;
    if (index !== 0) {
      out.u8(INDEXED | index);
      return;
    }
    out.u8(LITERAL | STATUS);
    out.u8(3);
    out.u8(48 + ((status / 100) | 0));
    out.u8(48 + (((status / 10) | 0) % 10));
    out.u8(48 + (status % 10));
  }

  /** The pseudo-headers of a request; `protocol` makes it an extended CONNECT (RFC 8441), whatever `method` says. */
  request(out: Out, method: string, scheme: string, authority: string, path: string, protocol: string): void {
    out.reserve(
      method.length + scheme.length + authority.length + path.length + protocol.length + 8 * FIELD_PUNCTUATION,
    );
    this.#begin(out);
    if (protocol !== '') {
      writeLiteral(out, METHOD, 'CONNECT');
      this.field(out, ':protocol', protocol);
    } else if (method === 'GET') out.u8(INDEXED | METHOD);
    else if (method === 'POST') out.u8(INDEXED | (METHOD + 1));
    else writeLiteral(out, METHOD, method);
    if (scheme === 'https') out.u8(INDEXED | (SCHEME + 1));
    else if (scheme === 'http') out.u8(INDEXED | SCHEME);
    else writeLiteral(out, SCHEME, scheme);
    writeLiteral(out, AUTHORITY, authority);
    if (path === '/') out.u8(INDEXED | PATH);
    else writeLiteral(out, PATH, path);
  }

  /** All lines that are kept, but Host. */
  fields(out: Out, fields: Fields): void {
    const { text, id, drop, nameAt, nameEnd, valueAt, valueEnd, count } = fields;
    this.#begin(out);
    for (let i = 0; i < count; i++) {
      if (drop[i] !== 0) continue;
      const one = id[i]!;
      const at = nameAt[i]!;
      const end = nameEnd[i]!;
      const name = one === FIELD.OTHER ? nameOf(text, at, end) : NAME_OF_FIELD[one]!;
      if ((name & NAME.LEFT_OUT) === 0) writeField(out, name, text, at, end, valueAt[i]!, valueEnd[i]!);
    }
  }

  /** Whole `Name: value CRLF` lines, latin1; those that HTTP/2 does not have are left out. */
  lines(out: Out, text: string): void {
    this.#begin(out);
    let at = 0;
    while (at < text.length) {
      const end = text.indexOf('\r\n', at);
      const nameEnd = text.indexOf(':', at);
      const name = nameOf(text, at, nameEnd);
      const valueAt = text.charCodeAt(nameEnd + 1) === 32 ? nameEnd + 2 : nameEnd + 1;
      if ((name & NAME.LEFT_OUT) === 0) writeField(out, name, text, at, nameEnd, valueAt, end);
      at = end + 2;
    }
  }

  /** One field. */
  field(out: Out, lowerName: string, value: string): void {
    this.#begin(out);
    const text = lowerName + value;
    const end = lowerName.length;
    writeField(out, nameOf(lowerName, 0, end), text, 0, end, end, text.length);
  }

  /** What has to stand at the start of a block. */
  #begin(out: Out): void {
    if (this.#toldSize < 0) return;
    out.reserve(FIELD_PUNCTUATION);
    writeInteger(out, RESIZE, RESIZE_PREFIX, this.#toldSize);
    this.#toldSize = -1;
  }
}

function writeField(
  out: Out,
  name: number,
  text: string,
  nameAt: number,
  nameEnd: number,
  valueAt: number,
  valueEnd: number,
): void {
  out.reserve(nameEnd - nameAt + valueEnd - valueAt + FIELD_PUNCTUATION);
  const index = name & NAME.INDEX;
  writeInteger(out, (name & NAME.SENSITIVE) === 0 ? LITERAL : NEVER, LITERAL_PREFIX, index);
  if (index === 0) {
    writeInteger(out, 0, STRING_PREFIX, nameEnd - nameAt);
    const { bytes } = out;
    let to = out.at;
    for (let p = nameAt; p < nameEnd; p++) bytes[to++] = lowerOf(text.charCodeAt(p));
    out.at = to;
  }
  writeString(out, text, valueAt, valueEnd);
}

/** A colon is what a name may hold beside token characters: that of a pseudo-header. */
function lowerOf(code: number): number {
  return code === 58 ? code : TOKEN_LOWER[code]!;
}

/** A value with a name of the static table, and room for it. */
function writeLiteral(out: Out, index: number, value: string): void {
  writeInteger(out, LITERAL, LITERAL_PREFIX, index);
  writeString(out, value, 0, value.length);
}

function writeString(out: Out, text: string, at: number, end: number): void {
  writeInteger(out, 0, STRING_PREFIX, end - at);
  const { bytes } = out;
  let to = out.at;
  for (let p = at; p < end; p++) bytes[to++] = text.charCodeAt(p);
  out.at = to;
}

/** RFC 7541 5.1; `prefix` is the mask of the bits that the first byte has for it. */
function writeInteger(out: Out, first: number, prefix: number, value: number): void {
  if (value < prefix) {
    out.u8(first | value);
    return;
  }
  out.u8(first | prefix);
  let rest = value - prefix;
  while (rest >= 128) {
    out.u8((rest & 127) | 128);
    rest >>>= 7;
  }
  out.u8(rest);
}
