// HPACK (RFC 7541) straight into lines: no string, no object a field. What comes out of a table is copied as the line it is, with the
// field id that was found when it went in; what comes as a literal is judged byte by byte while it is decoded. Nothing here knows
// requests from responses: that a list is malformed is for its reader to say, and costs a stream; BAD costs the connection.

import { HTAB, SP } from '../chars.ts';
import { fieldIdOf } from '../fields.ts';
import type { HeaderBlock } from './block.ts';
import { BYTE_FLAWS, decodedBound, FLAW, huffmanDecode, lastFlaws } from './huffman.ts';
import { ENTRY_NUMBERS, pseudoIdOf, STATIC_BYTES, STATIC_COUNT, STATIC_NUMBERS } from './statics.ts';
import { copyBytes, DynamicTable, ENTRY_OVERHEAD, LINE_OVERHEAD } from './table.ts';

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

  /** `tableBytes`: what is advertised as SETTINGS_HEADER_TABLE_SIZE; less than the default holds from the first block on. */
  constructor(tableBytes: number = DEFAULT_TABLE_BYTES) {
    this.#tableLimit = tableBytes;
    this.#table = new DynamicTable(Math.min(tableBytes, DEFAULT_TABLE_BYTES));
  }

  /**
   * Decodes the whole block buf[at, end). `maxBytes`: of the list, as RFC 9113 6.5.2 counts it (32 a field on top). Gives a value of
   * HPACK; after BAD the tables are out of step and the connection has to end. Never throws; nothing of `buf` is kept.
   */
  decode(buf: Buffer, at: number, end: number, out: HeaderBlock, maxBytes: number, maxFields: number): number {
    const table = this.#table;
    let left = maxBytes;
    let isFirst = true;
    out.count = 0;
    out.end = 0;
    out.flaws = 0;
    let p = at;
    while (p < end) {
      const byte = buf[p++]!;
      let index = 0;
      if (byte >= 0x80) {
        index = byte & 0x7f;
        if (index === 0x7f) {
          index = this.#integer(buf, p, end, 0x7f);
          p = this.#p;
        }
        let bytes: Buffer = STATIC_BYTES;
        let numbers = STATIC_NUMBERS;
        let slot = index * ENTRY_NUMBERS;
        if (index > STATIC_COUNT) {
          if (index - STATIC_COUNT > table.count) return HPACK.BAD;
          bytes = table.bytes;
          numbers = table.numbers;
          slot = table.slotOf(index - STATIC_COUNT);
        } else if (index <= 0) return HPACK.BAD;
        const nameBytes = numbers[slot + 1]!;
        const valueBytes = numbers[slot + 2]!;
        left -= nameBytes + valueBytes + ENTRY_OVERHEAD;
        if (left >= 0 && out.count < maxFields) {
          const lineAt = numbers[slot]!;
          const to = out.end;
          const length = nameBytes + valueBytes + LINE_OVERHEAD;
          if (to + length > out.bytes.length) out.reserve(to, length);
          copyBytes(bytes, lineAt, lineAt + length, out.bytes, to);
          const idAndFlaws = numbers[slot + 3]!;
          out.add(idAndFlaws & 255, to, nameBytes, valueBytes);
          out.flaws |= idAndFlaws >> 8;
          out.end = to + length;
        } else left = -1;
        isFirst = false;
        continue;
      }
      if ((byte & 0xe0) === 0x20) {
        let size = byte & 0x1f;
        if (size === 0x1f) {
          size = this.#integer(buf, p, end, 0x1f);
          p = this.#p;
        }
        if (!isFirst || size < 0 || size > this.#tableLimit) return HPACK.BAD;
        table.resize(size);
        continue;
      }
      // A literal: indexed from now on (01), or not (0000), or never (0001).
      isFirst = false;
      const mask = byte >= 0x40 ? 0x3f : 0x0f;
      index = byte & mask;
      if (index === mask) {
        index = this.#integer(buf, p, end, mask);
        if (index < 0) return HPACK.BAD;
        p = this.#p;
      }
      const to = left < 0 ? 0 : out.end;
      this.#p = p;
      const added = this.#literal(buf, end, index, out, to, byte >= 0x40);
      if (added < 0) return HPACK.BAD;
      p = this.#p;
      left -= added + ENTRY_OVERHEAD;
      if (left < 0 || out.count > maxFields) left = -1;
      if (left < 0) out.count = 0;
    }
    if (left >= 0) return HPACK.OK;
    out.count = 0;
    out.end = 0;
    return HPACK.TOO_LARGE;
  }

  /**
   * Reads name and value at #p into the line at out.bytes[to…), notes it there and in the table if `isIndexed`. Gives the bytes of
   * both, or -1.
   */
  #literal(buf: Buffer, end: number, index: number, out: HeaderBlock, to: number, isIndexed: boolean): number {
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
    let length = byte & 0x7f;
    if (length === 0x7f) {
      length = this.#integer(buf, p, end, 0x7f);
      if (length < 0) return -1;
      p = this.#p;
    }
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

  /** The rest of an integer whose prefix is all ones (RFC 7541 5.1), or -1: cut off, or above 2^31 - 1. Sets #p behind it. */
  #integer(buf: Buffer, at: number, end: number, prefix: number): number {
    let value = prefix;
    let shift = 0;
    for (let p = at; p < end; p++) {
      const byte = buf[p]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > MAX_INTEGER) return -1;
      if (byte < 0x80) {
        this.#p = p + 1;
        return value;
      }
      shift += 7;
      if (shift > MAX_INTEGER_SHIFT) return -1;
    }
    return -1;
  }
}

function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB;
}
