// Where the frames of a WebSocket end (RFC 6455, 5.2), told from the bytes as they pass. Payloads are skipped by their length
// and never looked at, so that a chunk costs some ns; nothing is judged. What it is for: between two frames, and only there, a
// proxy may put in one of its own, even amid a fragmented message (5.4).

const OPCODE = 0x0f;
const CLOSE = 0x08;
const MASKED = 0x80;
const LENGTH = 0x7f;
/** Lengths that say: the next 2, or 8, bytes are the length. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** One direction of one connection. Bytes that are no frames make it wrong, not throw. */
export class FrameTrack {
  /** Payload bytes that are still to come; may be huge. */
  #left = 0;
  /** Bytes of the frame's head so far, and how many it has: 2 until those are read. */
  #have = 0;
  #need = 2;
  #maskBytes = 0;
  #length = 0;
  /** A close frame has begun: its sender says nothing after it. */
  hasClose = false;

  /** No frame is under way. */
  get isBetween(): boolean {
    return this.#left === 0 && this.#have === 0;
  }

  /** Takes bytes[from, to) in. */
  pass(bytes: Uint8Array, from: number, to: number): void {
    if (this.#left >= to - from) {
      this.#left -= to - from;
      return;
    }
    let at = from;
    while (at < to) at = this.#step(bytes, at, to);
  }

  /** Takes bytes in up to the first end of a frame. Gives where that is; -1 = the frame goes on, and all were taken. */
  passFrame(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      at = this.#step(bytes, at, to);
      if (this.isBetween) return at;
    }
    return -1;
  }

  /** One byte of a head, a mask, or as much payload as there is. Gives where it stopped. */
  #step(bytes: Uint8Array, at: number, to: number): number {
    if (this.#left > 0) {
      const taken = Math.min(this.#left, to - at);
      this.#left -= taken;
      return at + taken;
    }
    if (this.#have < this.#need - this.#maskBytes) this.#head(bytes[at++]!);
    if (this.#have < this.#need - this.#maskBytes) return at;
    const skipped = Math.min(this.#need - this.#have, to - at);
    this.#have += skipped;
    if (this.#have === this.#need) this.#begin();
    return at + skipped;
  }

  #head(byte: number): void {
    const nth = this.#have++;
    if (nth === 0) {
      if ((byte & OPCODE) === CLOSE) this.hasClose = true;
    } else if (nth === 1) {
      const short = byte & LENGTH;
      this.#length = short < LENGTH_16 ? short : 0;
      this.#maskBytes = (byte & MASKED) === 0 ? 0 : 4;
      this.#need = 2 + (short === LENGTH_16 ? 2 : short === LENGTH_64 ? 8 : 0) + this.#maskBytes;
    } else {
      this.#length = this.#length * 256 + byte;
    }
  }

  /** The head is whole. */
  #begin(): void {
    this.#left = this.#length;
    this.#have = 0;
    this.#need = 2;
    this.#maskBytes = 0;
  }
}

/** Why a close frame was sent (RFC 6455, 7.4.1). */
export const CLOSE_CODE = { GOING_AWAY: 1001 } as const;

/** A close frame with a code; a client's is masked with `mask` (4 bytes), a server's is not. */
export function closeFrame(code: number, mask: Uint8Array | null): Buffer {
  if (mask === null) return Buffer.from([0x80 | CLOSE, 2, code >> 8, code & 0xff]);
  const [a, b, c, d] = mask as unknown as [number, number, number, number];
  return Buffer.from([0x80 | CLOSE, MASKED | 2, a, b, c, d, (code >> 8) ^ a, (code & 0xff) ^ b]);
}
