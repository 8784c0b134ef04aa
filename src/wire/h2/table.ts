// The dynamic table of either side (RFC 7541 2.3.2, 4): entries as the lines they stand for, one after the other in one arena, and a
// ring of numbers that say where. Nothing is allocated before the first entry; then the arena grows with what is in it.
//
//   arena   │ (free) │ oldest line │ … │ newest line │ (free) │      at the end of it, what lives is moved to the front
//   numbers   a ring of ENTRY_NUMBERS each: where, bytes of name, bytes of value, id | flaws << 8
//
// A line is shorter than the size that HPACK counts for its entry (4 bytes of punctuation, not 32), so the arena's greatest size
// always suffices, and twice of what lives is enough for every byte to be moved but once or so.

import { copyBytes } from './copy.ts';
import { ENTRY_NUMBERS } from './statics.ts';

/** What an entry costs beside its bytes (RFC 7541 4.1). */
export const ENTRY_OVERHEAD = 32;
/** `: ` and CRLF. */
export const LINE_OVERHEAD = 4;

const FIRST_BYTES = 1024;
const FIRST_ENTRIES = 16;
const NO_BYTES = Buffer.alloc(0);
const NO_NUMBERS = new Int32Array(0);
export class DynamicTable {
  /** Lines; replaced when it grows. */
  bytes: Buffer = NO_BYTES;
  /** See slotOf. Replaced when it grows. */
  numbers: Int32Array = NO_NUMBERS;
  count = 0;
  /** Entries ever put in: the n-th one has index inserted - n + 1 as long as that is at most `count`. */
  inserted = 0;
  /** As HPACK counts it, bytes. */
  size = 0;
  #maxSize: number;
  /** Ring position of the newest entry. */
  #newest = -1;
  /** Where the next line goes. */
  #end = 0;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Where the numbers of entry `index` (1 is the newest, at most `count`) start in `numbers`. */
  slotOf(index: number): number {
    return ((this.#newest - index + 1) * ENTRY_NUMBERS) & (this.numbers.length - 1);
  }

  /** The encoder's new limit. */
  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#evict(maxSize);
  }

  /** Adds the line from[at…); one that is larger than the table empties it (RFC 7541 4.4). `from` is not this arena. */
  insert(from: Buffer, at: number, nameBytes: number, valueBytes: number, idAndFlaws: number): void {
    const size = nameBytes + valueBytes + ENTRY_OVERHEAD;
    this.#evict(this.#maxSize - size);
    if (size > this.#maxSize) return;
    const length = nameBytes + valueBytes + LINE_OVERHEAD;
    if (this.#end + length > this.bytes.length) this.#makeRoom(length);
    if ((this.count + 1) * ENTRY_NUMBERS > this.numbers.length) this.#growRing();
    copyBytes(from, at, at + length, this.bytes, this.#end);
    this.#newest = (this.#newest + 1) & (this.numbers.length / ENTRY_NUMBERS - 1);
    const slot = this.#newest * ENTRY_NUMBERS;
    this.numbers[slot] = this.#end;
    this.numbers[slot + 1] = nameBytes;
    this.numbers[slot + 2] = valueBytes;
    this.numbers[slot + 3] = idAndFlaws;
    this.#end += length;
    this.count++;
    this.inserted++;
    this.size += size;
  }

  /** Drops the oldest until no more than `room` is taken. */
  #evict(room: number): void {
    while (this.count > 0 && this.size > room) {
      const slot = this.slotOf(this.count);
      this.size -= this.numbers[slot + 1]! + this.numbers[slot + 2]! + ENTRY_OVERHEAD;
      this.count--;
    }
    if (this.count === 0) this.#end = 0;
  }

  /** Moves what lives to the front, of a larger arena if it would be full soon. */
  #makeRoom(length: number): void {
    const from = this.count === 0 ? this.#end : this.numbers[this.slotOf(this.count)]!;
    const live = this.#end - from;
    const old = this.bytes;
    let size = Math.max(old.length, FIRST_BYTES);
    while (size < 2 * this.#maxSize && (live + length) * 4 > size * 3) size *= 2;
    if (size > old.length) this.bytes = Buffer.allocUnsafeSlow(size);
    old.copy(this.bytes, 0, from, this.#end);
    for (let index = 1; index <= this.count; index++) {
      const slot = this.slotOf(index);
      this.numbers[slot] = this.numbers[slot]! - from;
    }
    this.#end = live;
  }

  #growRing(): void {
    const ring = new Int32Array(Math.max(this.numbers.length * 2, FIRST_ENTRIES * ENTRY_NUMBERS));
    const { count } = this;
    for (let i = 0; i < count; i++) {
      const slot = this.slotOf(count - i);
      for (let k = 0; k < ENTRY_NUMBERS; k++) ring[i * ENTRY_NUMBERS + k] = this.numbers[slot + k]!;
    }
    this.numbers = ring;
    this.#newest = count - 1;
  }
}
