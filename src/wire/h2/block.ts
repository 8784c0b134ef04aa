// One decoded header list, as bytes that look like the lines of an HTTP/1.1 head (`name: value CRLF`, one after the other) and numbers
// that say where in them what is. The numbers of regular lines have the shape of `Fields`, which takes them over without looking at
// them again. Reused: a worker needs one block, since it is decoded whole and read at once.

import { FIELD, type Fields } from '../fields.ts';
import { USUAL_LINES } from '../lines.ts';
import { copyBytes } from './copy.ts';
import type { HpackDecoder } from './decoder.ts';
import { FLAW } from './huffman.ts';
import { PSEUDO } from './statics.ts';
import { ENTRY_OVERHEAD, LINE_OVERHEAD } from './table.ts';

/** Room for a usual list; more grows it, and it stays grown. */
const FIRST_BYTES = 4096;
const NO_BYTES = Buffer.alloc(0);
const PSEUDOS = PSEUDO.UNKNOWN - PSEUDO.METHOD;

/** Bit of an id in `seen`, 0 for those that have none. */
const BIT_OF: Int32Array = Int32Array.from({ length: 256 }, (_, id) => (id < 32 ? 1 << id : 0));

/** What HpackDecoder.decode fills and readRequest, readResponse and readTrailers read, once; valid until the next decode. */
export class HeaderBlock {
  /** All lines, those of pseudo-headers included, in order of arrival, in [0, end). Replaced when it grows. */
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  end = 0;
  /** Of regular lines; the first is kept free for Host when :authority has come. */
  count = 0;
  /** 1: line 0 is the free one. */
  hosts = 0;
  /** FIELD integer. These arrays are replaced when they grow and when they are taken over. */
  id: Uint8Array = new Uint8Array(USUAL_LINES);
  nameAt: Int32Array = new Int32Array(USUAL_LINES);
  nameEnd: Int32Array = new Int32Array(USUAL_LINES);
  valueAt: Int32Array = new Int32Array(USUAL_LINES);
  valueEnd: Int32Array = new Int32Array(USUAL_LINES);
  /** As in Fields; :authority counts as a Host. */
  seen = 0;
  repeated = 0;
  /** Value of each pseudo-header by id - PSEUDO.METHOD; -1 if it is not there. */
  readonly pseudoAt: Int32Array = new Int32Array(PSEUDOS).fill(-1);
  readonly pseudoEnd: Int32Array = new Int32Array(PSEUDOS);
  /** FLAW bits (huffman.ts) of all fields together: what is malformed whatever the list is about. */
  flaws = 0;

  /** Which regular lines these are (tail.ts); 0: nobody will ask. */
  stamp = 0;
  /** Where the regular lines are that have not been decoded, since some head may have them. */
  #decoder: HpackDecoder | null = null;
  #buf: Buffer = NO_BYTES;
  #foldedAt = 0;
  #foldedEnd = 0;

  /** Forgets everything. */
  begin(): void {
    this.stamp = 0;
    this.#decoder = null;
    this.rewind();
    this.seen = 0;
    this.repeated = 0;
    this.hosts = 0;
    this.flaws = 0;
    for (let k = 0; k < PSEUDOS; k++) this.pseudoAt[k] = -1;
  }

  /** Forgets the lines, which were too many. */
  rewind(): void {
    this.count = 0;
    this.end = 0;
  }

  /** Makes room for `count` more bytes after `at`; what is before `at` stays. */
  reserve(at: number, count: number): void {
    const needed = at + count;
    if (needed <= this.bytes.length) return;
    let size = this.bytes.length * 2;
    while (size < needed) size *= 2;
    const bytes = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(bytes, 0, 0, at);
    this.bytes = bytes;
  }

  /** Appends from[at, end). */
  put(from: Buffer, at: number, end: number): void {
    if (end === at) return;
    const to = this.end;
    this.end = to + end - at;
    if (this.end > this.bytes.length) this.reserve(to, end - at);
    copyBytes(from, at, end, this.bytes, to);
  }

  /** Notes the line that starts at bytes[at] and has these many bytes of name and value. */
  add(id: number, at: number, nameBytes: number, valueBytes: number): void {
    const nameEnd = at + nameBytes;
    if (id >= PSEUDO.METHOD) return this.addPseudo(id, nameEnd + 2, nameEnd + 2 + valueBytes);
    const n = this.count;
    if (n === this.id.length) this.grow();
    const bit = BIT_OF[id]!;
    this.repeated |= this.seen & bit;
    this.seen |= bit;
    this.id[n] = id;
    this.nameAt[n] = at;
    this.nameEnd[n] = nameEnd;
    this.valueAt[n] = nameEnd + 2;
    this.valueEnd[n] = nameEnd + 2 + valueBytes;
    this.count = n + 1;
  }

  /** Notes a pseudo-header: an unknown one, a second one and one after a regular line are malformed (RFC 9113 8.3). */
  addPseudo(id: number, valueAt: number, valueEnd: number): void {
    const k = id - PSEUDO.METHOD;
    if (k >= PSEUDOS || this.pseudoAt[k] !== -1 || this.count !== this.hosts) {
      this.flaws |= FLAW.PSEUDO;
      return;
    }
    this.pseudoAt[k] = valueAt;
    this.pseudoEnd[k] = valueEnd;
    if (id !== PSEUDO.AUTHORITY) return;
    if (this.id.length === 0) this.grow();
    this.id[0] = FIELD.HOST;
    this.seen = 1 << FIELD.HOST;
    this.hosts = 1;
    this.count = 1;
  }

  /** The regular lines are those of this stamp; `decoder` can still make them from buf[at, end). */
  fold(stamp: number, decoder: HpackDecoder, buf: Buffer, at: number, end: number): void {
    this.stamp = stamp;
    this.#decoder = decoder;
    this.#buf = buf;
    this.#foldedAt = at;
    this.#foldedEnd = end;
  }

  get isFolded(): boolean {
    return this.#decoder !== null;
  }

  /** Makes the regular lines, unless they are there. */
  unfold(): void {
    const decoder = this.#decoder;
    if (decoder === null) return;
    this.#decoder = null;
    decoder.unfold(this.#buf, this.#foldedAt, this.#foldedEnd, this);
    this.#buf = NO_BYTES;
  }

  /** Does without the regular lines. */
  leaveFolded(): void {
    this.#decoder = null;
    this.#buf = NO_BYTES;
  }

  /** What the regular lines take of a list's limit: 32 bytes each, where their punctuation is 4. */
  get regularCost(): number {
    return this.end - this.regularAt + (this.count - this.hosts) * (ENTRY_OVERHEAD - LINE_OVERHEAD);
  }

  /** Where the first line that came as a regular one starts. */
  get regularAt(): number {
    return this.count > this.hosts ? this.nameAt[this.hosts]! : this.end;
  }

  /** More room for numbers. */
  grow(): void {
    const size = Math.max(USUAL_LINES, this.id.length * 2);
    const id = new Uint8Array(size);
    id.set(this.id);
    this.id = id;
    this.nameAt = grown(this.nameAt, size);
    this.nameEnd = grown(this.nameEnd, size);
    this.valueAt = grown(this.valueAt, size);
    this.valueEnd = grown(this.valueEnd, size);
  }

  /** Gives the numbers to `fields` and takes the arrays that it has for the next list. None is dropped. */
  giveTo(fields: Fields): void {
    const { id, nameAt, nameEnd, valueAt, valueEnd, count } = this;
    this.id = fields.id;
    this.nameAt = fields.nameAt;
    this.nameEnd = fields.nameEnd;
    this.valueAt = fields.valueAt;
    this.valueEnd = fields.valueEnd;
    fields.id = id;
    fields.nameAt = nameAt;
    fields.nameEnd = nameEnd;
    fields.valueAt = valueAt;
    fields.valueEnd = valueEnd;
    fields.count = count;
    fields.seen = this.seen;
    fields.repeated = this.repeated;
    if (fields.drop.length < id.length) {
      fields.drop = new Uint8Array(id.length);
      fields.plain = new Uint8Array(id.length);
    }
    const { drop, plain } = fields;
    for (let i = 0; i < count; i++) {
      drop[i] = 0;
      plain[i] = 1;
    }
  }
}

function grown(old: Int32Array, size: number): Int32Array {
  const ints = new Int32Array(size);
  ints.set(old);
  return ints;
}
