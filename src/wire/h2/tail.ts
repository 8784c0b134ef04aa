// Requests of one client differ in their path and little else: what follows the pseudo-headers is often byte for byte what followed
// them the last time, and means the same as long as nothing has entered the table. So the regular fields decoded last have a stamp,
// and a head that holds the lines with this stamp from an earlier request need not be filled again (request.ts). What is looked at
// to know that is some twenty bytes instead of some eight hundred.

/** Longer ones are rarely the same. */
const MAX_BYTES = 256;
const NO_BYTES = Buffer.alloc(0);

/** Of all connections of this thread, so that a head cannot mistake another's. */
let stamps = 0;

/** The encoded regular fields of the last block of one connection. */
export class Tail {
  /** Bytes; -1: nothing is remembered. */
  length = -1;
  /** Which lines they are; > 0. */
  stamp = 0;
  #bytes: Buffer = NO_BYTES;
  /** DynamicTable.inserted of the time. */
  #inserted = 0;
  /** What they take of the list's limits. */
  #cost = 0;
  #fields = 0;

  /** Whether buf[at…), of as many bytes, is what is remembered, means the same, and is within the limits. */
  is(buf: Buffer, at: number, inserted: number, bytesLeft: number, fieldsLeft: number): boolean {
    if (inserted !== this.#inserted || this.#cost > bytesLeft || this.#fields > fieldsLeft) return false;
    const bytes = this.#bytes;
    const { length } = this;
    for (let k = 0; k < length; k++) if (buf[at + k] !== bytes[k]) return false;
    return true;
  }

  /** Remembers buf[at, end), which stands for this many fields of this size; gives its stamp, 0 if it is not worth it. */
  keep(buf: Buffer, at: number, end: number, inserted: number, cost: number, fields: number): number {
    const length = end - at;
    this.length = -1;
    if (length === 0 || length > MAX_BYTES) return 0;
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow(length <= 64 ? 64 : MAX_BYTES);
    for (let k = 0; k < length; k++) this.#bytes[k] = buf[at + k]!;
    this.length = length;
    this.#inserted = inserted;
    this.#cost = cost;
    this.#fields = fields;
    this.stamp = ++stamps;
    return this.stamp;
  }
}
