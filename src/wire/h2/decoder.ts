// HPACK (RFC 7541) straight into lines: no string, no object a field. What comes out of a table is copied as the line it is, with the
// field id that was found when it went in; what comes as a literal is judged byte by byte while it is decoded. Nothing here knows
// requests from responses: that a list is malformed is for its reader to say, and costs a stream; BAD costs the connection.

import { HTAB, SP } from '../chars.ts';
import { fieldIdOf } from '../fields.ts';
import type { HeaderBlock } from './block.ts';
import { copyBytes } from './copy.ts';
import { BYTE_FLAWS, decodedBound, FLAW, huffmanDecode, lastFlaws } from './huffman.ts';
import { ENTRY_NUMBERS, pseudoIdOf, STATIC_BYTES, STATIC_COUNT, STATIC_NUMBERS } from './statics.ts';
import { DynamicTable, ENTRY_OVERHEAD, LINE_OVERHEAD } from './table.ts';
import { Tail } from './tail.ts';

/** What `decode` gives. TOO_LARGE: the list is over a limit, and `out` is empty; the tables are in step all the same. */
export const HPACK = { OK: 0, BAD: 1, TOO_LARGE: 2 } as const;

/** SETTINGS_HEADER_TABLE_SIZE until it has been said otherwise and acknowledged (RFC 9113 6.5.2). */
const DEFAULT_TABLE_BYTES = 4096;
const COLON = 58;
const CR = 13;
const LF = 10;
/** An integer of more bytes than this is 2^31 or above, or has idle zeros. */
const MAX_INTEGER_SHIFT = 28;
const MAX_INTEGER = 0x7fffffff;

/** One direction of one connection. */
export class HpackDecoder {
  readonly #table: DynamicTable;
  /** What the table may be set to by the peer, bytes. */
  readonly #tableLimit: number;
  /** Where the decoder is in the block, and the flaws of the string read last. */
  #p = 0;
  #flaws = 0;
  /** What is left of the limit of the list's bytes; less than 0: it is over one. */
  #left = 0;
  /** Where the first regular field is, or may be. */
  #tailAt = 0;
  readonly #tail = new Tail();

  /** `tableBytes`: what is advertised as SETTINGS_HEADER_TABLE_SIZE; less than the default holds from the first block on. */
  constructor(tableBytes: number = DEFAULT_TABLE_BYTES) {
    this.#tableLimit = tableBytes;
    this.#table = new DynamicTable(Math.min(tableBytes, DEFAULT_TABLE_BYTES));
  }

  /**
   * Decodes the whole block buf[at, end). `maxBytes`: of the list, as RFC 9113 6.5.2 counts it (32 a field on top). Gives a value of
   * HPACK; after BAD the tables are out of step and the connection has to end. `buf` has to stay until `out` has been read. Never
   * throws.
   */
  decode(buf: Buffer, at: number, end: number, out: HeaderBlock, maxBytes: number, maxFields: number): number {
    const table = this.#table;
    const tail = this.#tail;
    const { inserted } = table;
    out.begin();
    this.#left = maxBytes;
    let p = this.#resizes(buf, at, end);
    if (p !== at) tail.length = -1;
    if (p < 0) return HPACK.BAD;
    this.#tailAt = p;
    while (p < end) {
      const isTail = end - p === tail.length && out.hosts === 1 && out.count === 1;
      if (isTail && tail.is(buf, p, table.inserted, this.#left, maxFields)) {
        out.fold(tail.stamp, this, buf, p, end);
        return HPACK.OK;
      }
      p = this.#next(buf, p, end, out, maxFields);
      if (p < 0) return HPACK.BAD;
      if (out.count === out.hosts) this.#tailAt = p;
    }
    if (this.#left < 0) {
      out.rewind();
      return HPACK.TOO_LARGE;
    }
    if (table.inserted !== inserted || out.hosts === 0) tail.length = -1;
    else out.stamp = tail.keep(buf, this.#tailAt, end, inserted, out.regularCost, out.count);
    return HPACK.OK;
  }

  /** Decodes the fields buf[at, end) that `decode` has left folded in `out`; it has seen them before, and they are good. */
  unfold(buf: Buffer, at: number, end: number, out: HeaderBlock): void {
    this.#left = Number.MAX_SAFE_INTEGER;
    for (let p = at; p >= 0 && p < end; ) p = this.#next(buf, p, end, out, Number.MAX_SAFE_INTEGER);
  }

  /** Size updates, which stand at the start of a block or nowhere (RFC 7541 4.2). Gives where they end, or -1. */
  #resizes(buf: Buffer, at: number, end: number): number {
    let p = at;
    while (p < end && (buf[p]! & 0xe0) === 0x20) {
      this.#p = p + 1;
      const size = this.#integer(buf, end, buf[p]! & 0x1f, 0x1f);
      if (size < 0 || size > this.#tableLimit) return -1;
      this.#table.resize(size);
      p = this.#p;
    }
    return p;
  }

  /** The field at buf[p], and those after it if they are indexed; gives where the next one is, or -1. Takes from #left. */
  #next(buf: Buffer, p: number, end: number, out: HeaderBlock, maxFields: number): number {
    const byte = buf[p]!;
    if (byte >= 0x80) return this.#indexedRun(buf, p, end, out, maxFields);
    if ((byte & 0xe0) === 0x20) return -1;
    if (this.#left < 0) out.rewind();
    // Indexed from now on (01), or not (0000), or never (0001).
    const prefix = byte >= 0x40 ? 0x3f : 0x0f;
    this.#p = p + 1;
    const index = this.#integer(buf, end, byte & prefix, prefix);
    const added = index < 0 ? -1 : this.#literal(buf, end, index, out, byte >= 0x40);
    if (added < 0) return -1;
    this.#left = this.#left < 0 || out.count > maxFields ? -1 : this.#left - added - ENTRY_OVERHEAD;
    return this.#p;
  }

  /**
   * Indexed fields from buf[at…) on, as many as there are in a row. Encoders send what they have in their table in the order in which
   * they once put it there, so the lines of a run are mostly neighbours in the arena and are copied at one go. Gives where the run
   * ends, or -1.
   */
  #indexedRun(buf: Buffer, at: number, end: number, out: HeaderBlock, maxFields: number): number {
    const table = this.#table;
    let room = this.#left;
    // Neighbours that are still to be copied to the end of `out`: bytes[copyAt, copyEnd).
    let bytes: Buffer = STATIC_BYTES;
    let copyAt = 0;
    let copyEnd = 0;
    let p = at;
    while (p < end && buf[p]! >= 0x80) {
      this.#p = p + 1;
      const index = this.#integer(buf, end, buf[p]! & 0x7f, 0x7f);
      p = this.#p;
      if (index <= 0 || index > STATIC_COUNT + table.count) return -1;
      const isStatic = index <= STATIC_COUNT;
      const numbers = isStatic ? STATIC_NUMBERS : table.numbers;
      const slot = isStatic ? index * ENTRY_NUMBERS : table.slotOf(index - STATIC_COUNT);
      const nameBytes = numbers[slot + 1]!;
      const valueBytes = numbers[slot + 2]!;
      room -= nameBytes + valueBytes + ENTRY_OVERHEAD;
      if (room < 0 || out.count >= maxFields) {
        room = -1;
        continue;
      }
      const from = isStatic ? STATIC_BYTES : table.bytes;
      const lineAt = numbers[slot]!;
      if (lineAt !== copyEnd || from !== bytes) {
        out.put(bytes, copyAt, copyEnd);
        bytes = from;
        copyAt = lineAt;
        copyEnd = lineAt;
      }
      const idAndFlaws = numbers[slot + 3]!;
      out.flaws |= idAndFlaws >> 8;
      out.add(idAndFlaws & 255, out.end + copyEnd - copyAt, nameBytes, valueBytes);
      copyEnd += nameBytes + valueBytes + LINE_OVERHEAD;
      if (out.count === out.hosts) {
        this.#tailAt = p;
        if (end - p === this.#tail.length) break;
      }
    }
    out.put(bytes, copyAt, copyEnd);
    this.#left = room;
    return p;
  }

  /**
   * Reads name and value at #p into a line at the end of `out`, and puts it in the table if `isIndexed`. Gives the bytes of both,
   * or -1.
   */
  #literal(buf: Buffer, end: number, index: number, out: HeaderBlock, isIndexed: boolean): number {
    const to = out.end;
    let nameEnd = to;
    let id = 0;
    let flaws = 0;
    if (index === 0) {
      nameEnd = this.#string(buf, end, out, to);
      if (nameEnd < 0) return -1;
      flaws = this.#flaws & FLAW.NAME;
      const { bytes } = out;
      if (nameEnd === to) flaws = FLAW.NAME;
      else if (bytes[to] === COLON) {
        id = pseudoIdOf(bytes, to, nameEnd);
        flaws = 0;
      } else if (flaws === 0) id = fieldIdOf(bytes, to, nameEnd);
    } else {
      let bytes: Buffer = STATIC_BYTES;
      let numbers = STATIC_NUMBERS;
      let slot = index * ENTRY_NUMBERS;
      if (index > STATIC_COUNT) {
        const table = this.#table;
        if (index - STATIC_COUNT > table.count) return -1;
        bytes = table.bytes;
        numbers = table.numbers;
        slot = table.slotOf(index - STATIC_COUNT);
      }
      const nameAt = numbers[slot]!;
      const nameBytes = numbers[slot + 1]!;
      id = numbers[slot + 3]! & 255;
      flaws = (numbers[slot + 3]! >> 8) & FLAW.NAME;
      nameEnd = to + nameBytes;
      if (nameEnd > out.bytes.length) out.reserve(to, nameBytes);
      copyBytes(bytes, nameAt, nameAt + nameBytes, out.bytes, to);
    }
    const valueAt = nameEnd + 2;
    const valueEnd = this.#string(buf, end, out, valueAt);
    if (valueEnd < 0) return -1;
    const { bytes } = out;
    bytes[nameEnd] = COLON;
    bytes[nameEnd + 1] = SP;
    bytes[valueEnd] = CR;
    bytes[valueEnd + 1] = LF;
    flaws |= this.#flaws & FLAW.VALUE;
    if (valueEnd > valueAt && (isSpace(bytes[valueAt]!) || isSpace(bytes[valueEnd - 1]!))) flaws |= FLAW.EDGE;
    const nameBytes = nameEnd - to;
    const valueBytes = valueEnd - valueAt;
    out.add(id, to, nameBytes, valueBytes);
    out.flaws |= flaws;
    out.end = valueEnd + 2;
    if (isIndexed) this.#table.insert(bytes, to, nameBytes, valueBytes, id | (flaws << 8));
    return nameBytes + valueBytes;
  }

  /** Reads the string at #p into out.bytes[to…), with room for four bytes behind it; gives where it ends, or -1. Sets #flaws. */
  #string(buf: Buffer, end: number, out: HeaderBlock, to: number): number {
    let p = this.#p;
    if (p >= end) return -1;
    const byte = buf[p++]!;
    this.#p = p;
    const length = this.#integer(buf, end, byte & 0x7f, 0x7f);
    if (length < 0) return -1;
    p = this.#p;
    const stop = p + length;
    if (stop > end) return -1;
    this.#p = stop;
    if (byte >= 0x80) {
      const room = decodedBound(length) + LINE_OVERHEAD;
      if (to + room > out.bytes.length) out.reserve(to, room);
      const decodedEnd = huffmanDecode(buf, p, stop, out.bytes, to);
      this.#flaws = lastFlaws;
      return decodedEnd;
    }
    if (to + length + LINE_OVERHEAD > out.bytes.length) out.reserve(to, length + LINE_OVERHEAD);
    const { bytes } = out;
    let flaws = 0;
    let q = to;
    for (; p < stop; p++, q++) {
      const at = buf[p]!;
      bytes[q] = at;
      flaws |= BYTE_FLAWS[at]!;
    }
    this.#flaws = flaws;
    return q;
  }

  /**
   * An integer (RFC 7541 5.1) whose first byte has been read and had `value` in the bits of `prefix`; the rest is at #p, which is
   * moved behind it. -1: cut off, or above 2^31 - 1.
   */
  #integer(buf: Buffer, end: number, value: number, prefix: number): number {
    return value < prefix ? value : this.#longInteger(buf, end, prefix);
  }

  #longInteger(buf: Buffer, end: number, prefix: number): number {
    let value = prefix;
    let shift = 0;
    for (let p = this.#p; p < end && shift <= MAX_INTEGER_SHIFT; p++, shift += 7) {
      const byte = buf[p]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > MAX_INTEGER) return -1;
      if (byte < 0x80) {
        this.#p = p + 1;
        return value;
      }
    }
    return -1;
  }
}

function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB;
}
