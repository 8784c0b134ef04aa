// HPACK (RFC 7541) as the tests need it: fields are written as plain literals, so that anything can be said, and read with both
// tables. Independent of src/wire/h2. Huffman coding is not read: Fermat does not write it.

export type Field = readonly [name: string, value: string];

export interface HpackTable {
  /** Newest first. */
  readonly entries: Field[];
  bytes: number;
  maxBytes: number;
}

export function newTable(): HpackTable {
  return { entries: [], bytes: 0, maxBytes: 4096 };
}

/** RFC 7541, Appendix A, from index 1 on. */
const STATIC: readonly Field[] = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`
  .split('\n')
  .map((line): Field => {
    const space = line.indexOf(' ');
    return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)];
  });

// ── out ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An integer with the bits of `first` above its prefix. */
export function writeInteger(first: number, prefixBits: number, value: number): Buffer {
  const max = 2 ** prefixBits - 1;
  if (value < max) return Buffer.from([first | value]);
  const bytes = [first | max];
  let rest = value - max;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

export function writeString(text: string): Buffer {
  return Buffer.concat([writeInteger(0, 7, text.length), Buffer.from(text, 'latin1')]);
}

/** A literal with its name spelt out. `kind`: 0x00 not indexed, 0x10 never, 0x40 indexed from now on. */
export function writeField([name, value]: Field, kind = 0): Buffer {
  return Buffer.concat([Buffer.from([kind]), writeString(name), writeString(value)]);
}

export function writeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map((field) => writeField(field)));
}

// ── in ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

class Cursor {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error('the header block is cut off');
    return byte;
  }

  integer(first: number, prefixBits: number): number {
    const max = 2 ** prefixBits - 1;
    let value = first & max;
    if (value < max) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  string(): string {
    const first = this.byte();
    if (first >= 128) throw new Error('Huffman coding, which this reader does not know');
    const length = this.integer(first, 7);
    if (this.at + length > this.bytes.length) throw new Error('a string beyond the header block');
    this.at += length;
    return this.bytes.toString('latin1', this.at - length, this.at);
  }
}

function entryOf(table: HpackTable, index: number): Field {
  const field = index <= STATIC.length ? STATIC[index - 1] : table.entries[index - STATIC.length - 1];
  if (field === undefined) throw new Error(`index ${index} is in no table`);
  return field;
}

function sizeOf([name, value]: Field): number {
  return name.length + value.length + 32;
}

function evict(table: HpackTable, room: number): void {
  while (table.entries.length > 0 && table.bytes + room > table.maxBytes) table.bytes -= sizeOf(table.entries.pop()!);
}

function remember(table: HpackTable, field: Field): void {
  evict(table, sizeOf(field));
  if (sizeOf(field) > table.maxBytes) return;
  table.entries.unshift(field);
  table.bytes += sizeOf(field);
}

/** The fields of a block, in order. Throws what is wrong with it. */
export function decodeFields(table: HpackTable, block: Buffer): Field[] {
  const cursor = new Cursor(block);
  const fields: Field[] = [];
  while (cursor.at < block.length) {
    const first = cursor.byte();
    if (first >= 0x80) fields.push(entryOf(table, cursor.integer(first, 7)));
    else if (first >= 0x20 && first < 0x40) {
      table.maxBytes = cursor.integer(first, 5);
      if (fields.length > 0) throw new Error('a change of the table inside a block');
      evict(table, 0);
    } else {
      const index = cursor.integer(first, first >= 0x40 ? 6 : 4);
      const name = index === 0 ? cursor.string() : entryOf(table, index)[0];
      const field: Field = [name, cursor.string()];
      if (first >= 0x40) remember(table, field);
      fields.push(field);
    }
  }
  return fields;
}
