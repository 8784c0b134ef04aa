// Knowing a block of field lines again. A client on a keep-alive connection says the same fields with every request, and an
// endpoint with every answer of a second: one comparison of bytes then stands for reading, decoding and judging them. Equal
// bytes have equal meaning, so nothing that is checked is given up; the start line is not part of it and is read every time.

import type { Message } from './framing.ts';

/** Longer blocks are rare, and remembering them costs every connection their size. */
const MAX_BYTES = 2048;
/** Up to here a loop beats a call. */
const SHORT_BYTES = 48;
/** After so many that were not the last one again, only every RARELY-th is remembered. */
const PATIENCE = 8;
const RARELY = 16;

const EMPTY: Buffer = Buffer.alloc(0);

export class LastBlock {
  #bytes: Buffer = EMPTY;
  /** Of the block in `#bytes`; 0 = none. */
  #size = 0;
  #misses = 0;
  // What the data plane may have changed since, as the parse left it:
  #text = '';
  #count = 0;
  #drop = new Uint8Array(0);
  #framing = 0;
  #length = -1;
  #upgrade = '';

  /** Where the block at buf[at, end) ends, if it is the last one byte for byte; else -1. */
  endOf(buf: Buffer, at: number, end: number): number {
    const n = this.#size;
    if (n === 0 || end - at < n) return -1;
    const bytes = this.#bytes;
    if (n > SHORT_BYTES) return bytes.compare(buf, at, at + n, 0, n) === 0 ? at + n : -1;
    for (let i = 0; i < n; i++) if (bytes[i] !== buf[at + i]) return -1;
    return at + n;
  }

  /** Makes `head`, into which nothing was read since, what it was when its block had been read. */
  restore(head: Message): void {
    this.#misses = 0;
    head.text = this.#text;
    head.count = this.#count;
    for (let i = 0; i < this.#count; i++) head.drop[i] = this.#drop[i]!;
    head.framing = this.#framing;
    head.length = this.#length;
    head.upgrade = this.#upgrade;
  }

  /** Remembers buf[at, end), a whole block that was read into `head` and found good. */
  keep(buf: Buffer, at: number, end: number, head: Message): void {
    const n = end - at;
    this.#size = 0;
    if (n > MAX_BYTES) return;
    if (this.#misses < PATIENCE) this.#misses++;
    else if (this.#misses++ % RARELY !== 0) return;
    if (n > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(n + (-n & 255));
    if (head.count > this.#drop.length) this.#drop = new Uint8Array(head.drop.length);
    buf.copy(this.#bytes, 0, at, end);
    for (let i = 0; i < head.count; i++) this.#drop[i] = head.drop[i]!;
    this.#size = n;
    this.#text = head.text;
    this.#count = head.count;
    this.#framing = head.framing;
    this.#length = head.length;
    this.#upgrade = head.upgrade;
  }

  /** To be called before anything is read into the head: its tables, which are not kept here, will not be the block's. */
  forget(): void {
    this.#size = 0;
  }
}
