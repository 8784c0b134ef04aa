// Bytes of lines that are being put together: what is text already is copied in, numbers are written digit by digit. A string
// of the same pieces would be allocated, flattened and copied once more before it lies where the writer finds it.

import { Buffer } from 'node:buffer';

const FIRST_BYTES = 64 * 1024;
/** Beyond it microseconds do not fit in 31 bits. */
const MOST_MS = 2_000_000;
const ZERO = 48;
const DOT = 46;

/** What Node's own `write` comes down to, less the look-up of the encoding. */
type Latin1Buffer = Buffer & { latin1Write(text: string, at: number): number };

/** Text that stands before a number of milliseconds; and what stands there when there is none. */
export class Label {
  readonly bytes: Buffer;
  readonly none: Buffer;

  constructor(text: string) {
    this.bytes = Buffer.from(text, 'latin1');
    this.none = Buffer.from(`${text}null`, 'latin1');
  }
}

export class Page {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES) as Latin1Buffer;
  #at = 0;

  /** What has been written since it was last turned. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  get length(): number {
    return this.#at;
  }

  turn(): void {
    this.#at = 0;
  }

  /** Room for so many bytes more; to be asked for before they are written. */
  reserve(bytes: number): void {
    const least = this.#at + bytes;
    if (least <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(least))) as Latin1Buffer;
    wider.set(this.written);
    this.#bytes = wider;
  }

  /** latin1, a byte a char. Cheap for texts that are flat, and longer than a few chars. */
  text(text: string): void {
    this.#at += this.#bytes.latin1Write(text, this.#at);
  }

  /** The same for a few chars. */
  chars(text: string): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.#at = at;
  }

  byte(code: number): void {
    this.#bytes[this.#at++] = code;
  }

  /** A whole number >= 0. */
  count(n: number): void {
    if (n < 1000) this.#at = putWhole(this.#bytes, this.#at, n);
    else this.chars(String(n));
  }

  /** Milliseconds to the microsecond, without zeros at the end; `null` for what did not happen (< 0). */
  millis(label: Label, ms: number): void {
    const bytes = this.#bytes;
    if (!(ms >= 0)) {
      bytes.set(label.none, this.#at);
      this.#at += label.none.length;
      return;
    }
    bytes.set(label.bytes, this.#at);
    this.#at += label.bytes.length;
    if (ms > MOST_MS) return this.chars(ms.toFixed(3));
    const us = (ms * 1000 + 0.5) | 0;
    const whole = (us / 1000) | 0;
    if (whole < 1000) this.#at = putWhole(bytes, this.#at, whole);
    else this.chars(String(whole));
    this.#at = putThousandths(bytes, this.#at, us - whole * 1000);
  }
}

/** 0 … 999. */
function putWhole(bytes: Uint8Array, from: number, n: number): number {
  let at = from;
  const hundreds = (n / 100) | 0;
  const rest = n - hundreds * 100;
  const tens = (rest / 10) | 0;
  if (hundreds > 0) bytes[at++] = ZERO + hundreds;
  if (n > 9) bytes[at++] = ZERO + tens;
  bytes[at++] = ZERO + rest - tens * 10;
  return at;
}

/** `.5` of 500, `.05` of 50, nothing of 0. */
function putThousandths(bytes: Uint8Array, from: number, n: number): number {
  if (n === 0) return from;
  const tenths = (n / 100) | 0;
  const rest = n - tenths * 100;
  const hundredths = (rest / 10) | 0;
  const thousandths = rest - hundredths * 10;
  let at = from;
  bytes[at++] = DOT;
  bytes[at++] = ZERO + tenths;
  if (rest === 0) return at;
  bytes[at++] = ZERO + hundredths;
  if (thousandths !== 0) bytes[at++] = ZERO + thousandths;
  return at;
}
