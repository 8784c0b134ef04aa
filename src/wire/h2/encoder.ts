// HPACK the other way: fields out of heads, which are latin1 text and offsets, and out of lines of our own, into a block. Names of the
// static table go as its number, fields that come again as the number they have in the dynamic one (memory.ts), the rest as it
// stands: Huffman would save a quarter of that rest, for three times what it costs to write it (3.2 ns a character, not 1.1).

import { TOKEN_LOWER } from '../chars.ts';
import { FIELD, type Fields } from '../fields.ts';
import { copyBytes } from './copy.ts';
import { FOUND, Memory } from './memory.ts';
import { NAME, NAME_OF_FIELD, nameOf } from './names.ts';
import type { Out } from './out.ts';
import { STATIC_COUNT, STATIC_TABLE } from './statics.ts';

// First bytes of the representations (RFC 7541 6), and how much of them belongs to the integer.
const INDEXED = 0x80;
const INDEXED_PREFIX = 0x7f;
const KEPT = 0x40;
const KEPT_PREFIX = 0x3f;
const RESIZED = 0x20;
const RESIZED_PREFIX = 0x1f;
const NEVER = 0x10;
const LITERAL = 0x00;
const LITERAL_PREFIX = 0x0f;
const STRING_PREFIX = 0x7f;
/** Most bytes of punctuation a field: its name's number or length, and its value's length. */
const FIELD_PUNCTUATION = 12;
/** What a peer's decoder gives us until it says otherwise, and the most that we use of what it says. */
const TABLE_BYTES = 4096;
/** What is longer than this, encoded, is not worth a copy. */
const KEPT_BYTES = 512;
// Static indices.
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

/** Strings up to so long are cheaper to write in a loop. */
const SHORT_STRING = 48;
const SP = 32;
const COLON = 58;
const NO_BYTES = Buffer.alloc(0);

/** What has been encoded last in one of the ways, good for as long as nothing enters the table. */
class Last {
  /** Lines, as they were; what of them was dropped. */
  text = '';
  drop: Uint8Array = NO_BYTES;
  bytes: Buffer = NO_BYTES;
  length = 0;
  /** DynamicTable.inserted of the time; -1: nothing is here. */
  inserted = -1;

  /** Keeps what is written in out.bytes[at, out.at). */
  take(text: string, out: Out, at: number, inserted: number): void {
    const length = out.at - at;
    if (this.bytes.length < length) this.bytes = Buffer.allocUnsafeSlow(length + 32);
    out.bytes.copy(this.bytes, 0, at, out.at);
    this.text = text;
    this.length = length;
    this.inserted = inserted;
  }

  put(out: Out): void {
    out.reserve(this.length);
    copyBytes(this.bytes, 0, this.length, out.bytes, out.at);
    out.at += this.length;
  }
}

/** Writes the blocks of one direction of one connection. A block is one `status` or `request`, then fields in any of the ways. */
export class HpackEncoder {
  readonly #memory = new Memory(TABLE_BYTES);
  #limit = TABLE_BYTES;
  /** The lowest limit since the last block, which the peer is told before the limit itself; -1: nothing to tell. */
  #lowest = -1;
  readonly #lastFields = new Last();
  readonly #lastLines = new Last();
  /** A field was written that may be in the table the next time. */
  #isNew = false;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, bytes. Call between blocks. */
  tableSize(bytes: number): void {
    const limit = Math.min(bytes, TABLE_BYTES);
    if (limit === this.#limit) return;
    this.#lowest = this.#lowest < 0 ? limit : Math.min(this.#lowest, limit);
    this.#limit = limit;
    this.#memory.resize(limit);
    this.#lastFields.inserted = -1;
    this.#lastLines.inserted = -1;
  }

  /** :status. 100-999. */
  status(out: Out, status: number): void {
    out.reserve(2 * FIELD_PUNCTUATION);
    this.#begin(out);
    const index = STATUS_INDEX[status]!;
    if (index !== 0) return out.u8(INDEXED | index);
    out.u8(LITERAL | STATUS);
    out.u8(3);
    out.u8(48 + ((status / 100) | 0));
    out.u8(48 + (((status / 10) | 0) % 10));
    out.u8(48 + (status % 10));
  }

  /** The pseudo-headers of a request; `protocol` makes it an extended CONNECT (RFC 8441), whatever `method` says. */
  request(out: Out, method: string, scheme: string, authority: string, path: string, protocol: string): void {
    out.reserve(method.length + scheme.length + path.length + 8 * FIELD_PUNCTUATION);
    this.#begin(out);
    if (protocol !== '') writeLiteral(out, METHOD, 'CONNECT');
    else if (method === 'GET') out.u8(INDEXED | METHOD);
    else if (method === 'POST') out.u8(INDEXED | (METHOD + 1));
    else writeLiteral(out, METHOD, method);
    if (scheme === 'https') out.u8(INDEXED | (SCHEME + 1));
    else if (scheme === 'http') out.u8(INDEXED | SCHEME);
    else writeLiteral(out, SCHEME, scheme);
    // Never in the table: there are many, and what is really the same for all is better kept.
    if (path === '/') out.u8(INDEXED | PATH);
    else writeLiteral(out, PATH, path);
    const text = `:authority${authority}`;
    this.#write(out, AUTHORITY, text, 0, 10, 10, text.length);
    if (protocol !== '') this.field(out, ':protocol', protocol);
  }

  /** All lines that are kept, but Host. The same as last time cost little. */
  fields(out: Out, fields: Fields): void {
    const { text, id, drop, nameAt, nameEnd, valueAt, valueEnd, count } = fields;
    this.#begin(out);
    if (count === 0) return;
    const lines = text.slice(nameAt[0], valueEnd[count - 1]);
    const last = this.#lastFields;
    const { table } = this.#memory;
    if (last.inserted === table.inserted && lines === last.text && isSame(drop, last.drop, count)) return last.put(out);
    const startAt = out.at;
    this.#isNew = false;
    for (let i = 0; i < count; i++) {
      if (drop[i] !== 0) continue;
      const one = id[i]!;
      const at = nameAt[i]!;
      const end = nameEnd[i]!;
      const name = one === FIELD.OTHER ? nameOf(text, at, end) : NAME_OF_FIELD[one]!;
      if ((name & NAME.LEFT_OUT) === 0) this.#write(out, name, text, at, end, valueAt[i]!, valueEnd[i]!);
    }
    if (this.#isNew || out.at - startAt > KEPT_BYTES) return;
    last.take(lines, out, startAt, table.inserted);
    if (last.drop.length < count) last.drop = new Uint8Array(drop.length);
    for (let i = 0; i < count; i++) last.drop[i] = drop[i]!;
  }

  /** Whole `Name: value CRLF` lines, latin1; those that HTTP/2 does not have are left out. The same as last time cost little. */
  lines(out: Out, text: string): void {
    this.#begin(out);
    const last = this.#lastLines;
    const { table } = this.#memory;
    if (last.inserted === table.inserted && text === last.text) return last.put(out);
    const startAt = out.at;
    this.#isNew = false;
    let at = 0;
    while (at < text.length) {
      const end = text.indexOf('\r\n', at);
      const nameEnd = text.indexOf(':', at);
      const name = nameOf(text, at, nameEnd);
      const valueAt = text.charCodeAt(nameEnd + 1) === SP ? nameEnd + 2 : nameEnd + 1;
      if ((name & NAME.LEFT_OUT) === 0) this.#write(out, name, text, at, nameEnd, valueAt, end);
      at = end + 2;
    }
    if (!this.#isNew && out.at - startAt <= KEPT_BYTES) last.take(text, out, startAt, table.inserted);
  }

  /** One field. */
  field(out: Out, lowerName: string, value: string): void {
    this.#begin(out);
    const text = lowerName + value;
    const end = lowerName.length;
    this.#write(out, nameOf(lowerName, 0, end), text, 0, end, end, text.length);
  }

  /** What has to stand at the start of a block: how large the table is from now on (RFC 7541 4.2). */
  #begin(out: Out): void {
    if (this.#lowest < 0) return;
    out.reserve(FIELD_PUNCTUATION);
    if (this.#lowest < this.#limit) writeInteger(out, RESIZED, RESIZED_PREFIX, this.#lowest);
    writeInteger(out, RESIZED, RESIZED_PREFIX, this.#limit);
    this.#lowest = -1;
  }

  #write(
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
    let found: number = FOUND.NOTHING;
    if ((name & (NAME.SENSITIVE | NAME.VARIES)) === 0 && this.#limit > 0) {
      found = this.#memory.find(index, text, nameAt, nameEnd, valueAt, valueEnd);
      if (found > 0) return writeInteger(out, INDEXED, INDEXED_PREFIX, STATIC_COUNT + found);
      this.#isNew = true;
    }
    if (found === FOUND.WORTHY) {
      this.#memory.keep(index, text, nameAt, nameEnd, valueAt, valueEnd);
      writeInteger(out, KEPT, KEPT_PREFIX, index);
    } else writeInteger(out, (name & NAME.SENSITIVE) === 0 ? LITERAL : NEVER, LITERAL_PREFIX, index);
    if (index === 0) {
      writeInteger(out, 0, STRING_PREFIX, nameEnd - nameAt);
      const { bytes } = out;
      let to = out.at;
      for (let p = nameAt; p < nameEnd; p++) bytes[to++] = lowerOf(text.charCodeAt(p));
      out.at = to;
    }
    writeString(out, text, valueAt, valueEnd);
  }
}

/** The lower case of a character of a name; a colon is that of a pseudo-header. */
function lowerOf(code: number): number {
  return code === COLON ? code : TOKEN_LOWER[code]!;
}

/** A value with a name of the static table, and room for it. */
function writeLiteral(out: Out, index: number, value: string): void {
  writeInteger(out, LITERAL, LITERAL_PREFIX, index);
  writeString(out, value, 0, value.length);
}

function isSame(a: Uint8Array, b: Uint8Array, count: number): boolean {
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return false;
  return true;
}

function writeString(out: Out, text: string, at: number, end: number): void {
  writeInteger(out, 0, STRING_PREFIX, end - at);
  const { bytes } = out;
  let to = out.at;
  out.at = to + end - at;
  if (end - at > SHORT_STRING) bytes.write(text.slice(at, end), to, 'latin1');
  else for (let p = at; p < end; p++) bytes[to++] = text.charCodeAt(p);
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
