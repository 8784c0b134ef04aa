// Bytes on their way out of an HTTP/2 connection: one growable buffer that frames are written into, so that whatever one event
// brings about leaves in one write. Who holds it decides when it is sent and what becomes of the memory.

const FIRST_BYTES = 4096;

export class Out {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Where the next byte goes. */
  at = 0;

  /** Makes room for `count` more bytes; `bytes` may be another buffer afterwards. */
  reserve(count: number): void {
    const needed = this.at + count;
    if (needed <= this.bytes.length) return;
    let size = this.bytes.length * 2;
    while (size < needed) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }

  /** Needs room that was reserved. */
  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.bytes[this.at++] = value >>> 8;
    this.bytes[this.at++] = value & 255;
  }

  u24(value: number): void {
    this.bytes[this.at++] = value >>> 16;
    this.bytes[this.at++] = (value >>> 8) & 255;
    this.bytes[this.at++] = value & 255;
  }

  u32(value: number): void {
    this.bytes[this.at++] = value >>> 24;
    this.bytes[this.at++] = (value >>> 16) & 255;
    this.bytes[this.at++] = (value >>> 8) & 255;
    this.bytes[this.at++] = value & 255;
  }

  copy(from: Uint8Array, at: number, end: number): void {
    this.bytes.set(at === 0 && end === from.length ? from : from.subarray(at, end), this.at);
    this.at += end - at;
  }
}
