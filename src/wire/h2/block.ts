// One decoded header list, as bytes that look like the lines of an HTTP/1.1 head (`name: value CRLF`, one after the other) and
// numbers that say where in them what is. Reused: a worker needs one, since a block is decoded whole and read at once.

import { USUAL_LINES } from '../lines.ts';

/** Room for a usual list; more grows it, and it stays grown. */
const FIRST_BYTES = 4096;

/** What HpackDecoder.decode fills and readRequest, readResponse and readTrailers read; valid until the next decode. */
export class HeaderBlock {
  /** The lines, pseudo-headers included, in order of arrival, in [0, end). Replaced when it grows. */
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  end = 0;
  count = 0;
  /** FIELD integer, or PSEUDO (statics.ts) of a pseudo-header. */
  id: Uint8Array = new Uint8Array(USUAL_LINES);
  nameAt: Int32Array = new Int32Array(USUAL_LINES);
  nameEnd: Int32Array = new Int32Array(USUAL_LINES);
  valueAt: Int32Array = new Int32Array(USUAL_LINES);
  valueEnd: Int32Array = new Int32Array(USUAL_LINES);
  /** FLAW bits (huffman.ts) of all fields together: what the bytes of a name or a value may not be. */
  flaws = 0;

  /** Makes room for `count` more bytes after `at`; what is before `at` stays. */
  reserve(at: number, count: number): void {
    const needed = at + count;
    if (needed <= this.bytes.length) return;
    let size = this.bytes.length * 2;
    while (size < needed) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(grown, 0, 0, at);
    this.bytes = grown;
  }

  /** Notes the line that starts at bytes[at] and has these many bytes of name and value. */
  add(id: number, at: number, nameBytes: number, valueBytes: number): void {
    const n = this.count;
    if (n === this.id.length) this.#grow();
    this.id[n] = id;
    this.nameAt[n] = at;
    this.nameEnd[n] = at + nameBytes;
    this.valueAt[n] = at + nameBytes + 2;
    this.valueEnd[n] = at + nameBytes + 2 + valueBytes;
    this.count = n + 1;
  }

  #grow(): void {
    const size = this.id.length * 2;
    const id = new Uint8Array(size);
    id.set(this.id);
    this.id = id;
    this.nameAt = grown(this.nameAt, size);
    this.nameEnd = grown(this.nameEnd, size);
    this.valueAt = grown(this.valueAt, size);
    this.valueEnd = grown(this.valueEnd, size);
  }
}

function grown(old: Int32Array, size: number): Int32Array {
  const ints = new Int32Array(size);
  ints.set(old);
  return ints;
}
