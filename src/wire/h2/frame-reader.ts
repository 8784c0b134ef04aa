// Reads frames of HTTP/2 (RFC 9113, 4 and 6): bytes come in pieces, frames come out one at a time, checked as far as a frame
// can be checked by itself. DATA passes in pieces as it arrives and is never gathered; a header section is given whole, its
// CONTINUATIONs joined. What a frame means for its stream is the session's business.

import { DEFAULT_FRAME_BYTES, FLAG, FRAME, FRAME_HEAD_BYTES, H2_ERROR } from './frames.ts';

/** What `read` did. FRAME: a whole frame but DATA. DATA: a piece of one, perhaps empty. */
export const READ = { MORE: 0, FRAME: 1, DATA: 2, BAD: 3 } as const;

const PHASE = { HEAD: 0, PAYLOAD: 1, PAD_LENGTH: 2, DATA: 3, PADDING: 4 } as const;
const EMPTY = Buffer.alloc(0);
/** CONTINUATIONs of one header section; with full frames that is far beyond any limit of heads. */
const MAX_CONTINUATIONS = 16;

/** Reads the frames of one connection, one after the other. Never throws; after BAD nothing more is to be read. */
export class FrameReader {
  type = 0;
  flags = 0;
  streamId = 0;
  /** Of the frame, padding included: what flow control counts. */
  length = 0;
  /** The payload (of HEADERS the header section alone) or the piece: buf[from, to). Valid until the next `read`. */
  buf: Buffer = EMPTY;
  from = 0;
  to = 0;
  /** Where to read on in the chunk. */
  at = 0;
  /** Of DATA: this piece is the first, the last of its frame. */
  isFirst = false;
  isLast = false;
  /** An H2_ERROR after BAD. */
  error = 0;

  readonly #maxBlockBytes: number;
  #phase: number = PHASE.HEAD;
  #left = 0;
  #padding = 0;
  /** Nothing of this DATA frame has been given yet. */
  #isAtStart = false;
  #held: Buffer = EMPTY;
  #heldBytes = 0;
  /** The header section under way; 0 = none. */
  #blockStream = 0;
  #blockFlags = 0;
  #block: Buffer = EMPTY;
  #blockBytes = 0;
  #continuations = 0;

  /** `maxBlockBytes`: the longest header section as it is sent. */
  constructor(maxBlockBytes: number) {
    this.#maxBlockBytes = maxBlockBytes;
  }

  /** A header section or a frame has begun and is not whole; a body that goes on does not count. */
  get isMidway(): boolean {
    return this.#blockStream !== 0 || this.#phase === PHASE.PAYLOAD || this.#heldBytes > 0;
  }

  /** Reads from chunk[at…): a READ code; `at` says where it stopped. */
  read(chunk: Buffer, at: number): number {
    this.at = at;
    for (;;) {
      switch (this.#phase) {
        case PHASE.HEAD:
          if (!this.#gather(chunk, FRAME_HEAD_BYTES)) return READ.MORE;
          if (!this.#begin(this.buf, this.from)) return READ.BAD;
          break;
        case PHASE.PAYLOAD: {
          if (!this.#gather(chunk, this.length)) return READ.MORE;
          this.#phase = PHASE.HEAD;
          const isBlock = this.type === FRAME.HEADERS || this.type === FRAME.CONTINUATION;
          const code = isBlock ? this.#joinBlock() : READ.FRAME;
          if (code !== READ.MORE) return code;
          break;
        }
        case PHASE.PAD_LENGTH:
          if (this.at === chunk.length) return READ.MORE;
          this.#padding = chunk[this.at++]!;
          this.#left = this.length - 1 - this.#padding;
          if (this.#left < 0) return this.#refuse(H2_ERROR.PROTOCOL_ERROR);
          this.#phase = PHASE.DATA;
          break;
        case PHASE.DATA:
          return this.#readData(chunk);
        default:
          return this.#skipPadding(chunk);
      }
    }
  }

  #readData(chunk: Buffer): number {
    const room = chunk.length - this.at;
    const bytes = this.#left < room ? this.#left : room;
    if (bytes === 0 && this.#left > 0) return READ.MORE;
    this.buf = chunk;
    this.from = this.at;
    this.to = this.at = this.at + bytes;
    this.#left -= bytes;
    this.isFirst = this.#isAtStart;
    this.#isAtStart = false;
    this.isLast = this.#left === 0 && this.#padding === 0;
    if (this.#left === 0) this.#phase = this.isLast ? PHASE.HEAD : PHASE.PADDING;
    return READ.DATA;
  }

  #skipPadding(chunk: Buffer): number {
    const room = chunk.length - this.at;
    const bytes = this.#padding < room ? this.#padding : room;
    this.#padding -= bytes;
    this.at += bytes;
    if (this.#padding > 0) return READ.MORE;
    this.#phase = PHASE.HEAD;
    this.buf = chunk;
    this.from = this.to = this.at;
    this.isFirst = false;
    this.isLast = true;
    return READ.DATA;
  }

  /** The next `bytes` as buf[from, to): where they lie, or gathered when they come in pieces. */
  #gather(chunk: Buffer, bytes: number): boolean {
    const room = chunk.length - this.at;
    if (this.#heldBytes === 0 && room >= bytes) {
      this.buf = chunk;
      this.from = this.at;
      this.to = this.at = this.at + bytes;
      return true;
    }
    if (this.#held.length < bytes) {
      const grown = Buffer.allocUnsafeSlow(bytes);
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    const count = Math.min(bytes - this.#heldBytes, room);
    chunk.copy(this.#held, this.#heldBytes, this.at, this.at + count);
    this.#heldBytes += count;
    this.at += count;
    if (this.#heldBytes < bytes) return false;
    this.buf = this.#held;
    this.from = 0;
    this.to = bytes;
    this.#heldBytes = 0;
    if (bytes > FRAME_HEAD_BYTES) this.#held = EMPTY; // whoever reads it now is done before the next read
    return true;
  }

  #begin(buf: Buffer, at: number): boolean {
    this.length = (buf[at]! << 16) | (buf[at + 1]! << 8) | buf[at + 2]!;
    this.type = buf[at + 3]!;
    this.flags = buf[at + 4]!;
    this.streamId = ((buf[at + 5]! & 127) << 24) | (buf[at + 6]! << 16) | (buf[at + 7]! << 8) | buf[at + 8]!;
    const error = this.#judge();
    if (error !== H2_ERROR.NO_ERROR) {
      this.#refuse(error);
      return false;
    }
    if (this.type !== FRAME.DATA) {
      this.#phase = PHASE.PAYLOAD;
      return true;
    }
    this.#isAtStart = true;
    this.#padding = 0;
    this.#left = this.length;
    this.#phase = (this.flags & FLAG.PADDED) === 0 ? PHASE.DATA : PHASE.PAD_LENGTH;
    return true;
  }

  /** What can be wrong with a frame by its head alone. */
  #judge(): number {
    const { type, length, streamId } = this;
    if (length > DEFAULT_FRAME_BYTES) return H2_ERROR.FRAME_SIZE_ERROR;
    const isContinued = this.#blockStream !== 0;
    if (isContinued !== (type === FRAME.CONTINUATION) || (isContinued && streamId !== this.#blockStream))
      return H2_ERROR.PROTOCOL_ERROR;
    switch (type) {
      case FRAME.DATA:
      case FRAME.HEADERS:
        if (streamId === 0) return H2_ERROR.PROTOCOL_ERROR;
        return (this.flags & FLAG.PADDED) !== 0 && length === 0 ? H2_ERROR.FRAME_SIZE_ERROR : H2_ERROR.NO_ERROR;
      case FRAME.PRIORITY:
        if (streamId === 0) return H2_ERROR.PROTOCOL_ERROR;
        return length === 5 ? H2_ERROR.NO_ERROR : H2_ERROR.FRAME_SIZE_ERROR;
      case FRAME.RST_STREAM:
        if (streamId === 0) return H2_ERROR.PROTOCOL_ERROR;
        return length === 4 ? H2_ERROR.NO_ERROR : H2_ERROR.FRAME_SIZE_ERROR;
      case FRAME.SETTINGS:
        if (streamId !== 0) return H2_ERROR.PROTOCOL_ERROR;
        return length % 6 === 0 && ((this.flags & FLAG.ACK) === 0 || length === 0)
          ? H2_ERROR.NO_ERROR
          : H2_ERROR.FRAME_SIZE_ERROR;
      case FRAME.PUSH_PROMISE: // nobody may push: clients never do, and we tell endpoints not to
        return H2_ERROR.PROTOCOL_ERROR;
      case FRAME.PING:
        if (streamId !== 0) return H2_ERROR.PROTOCOL_ERROR;
        return length === 8 ? H2_ERROR.NO_ERROR : H2_ERROR.FRAME_SIZE_ERROR;
      case FRAME.GOAWAY:
        if (streamId !== 0) return H2_ERROR.PROTOCOL_ERROR;
        return length >= 8 ? H2_ERROR.NO_ERROR : H2_ERROR.FRAME_SIZE_ERROR;
      case FRAME.WINDOW_UPDATE:
        return length === 4 ? H2_ERROR.NO_ERROR : H2_ERROR.FRAME_SIZE_ERROR;
    }
    return H2_ERROR.NO_ERROR;
  }

  /** HEADERS less padding and priority, or a CONTINUATION: FRAME when the section is whole. */
  #joinBlock(): number {
    if (this.type === FRAME.HEADERS && !this.#trimHeaders()) return this.#refuse(H2_ERROR.PROTOCOL_ERROR);
    const isWhole = (this.flags & FLAG.END_HEADERS) !== 0;
    if (this.type === FRAME.HEADERS && isWhole) return READ.FRAME;
    const bytes = this.to - this.from;
    if (this.type === FRAME.HEADERS) {
      this.#blockStream = this.streamId;
      this.#blockFlags = this.flags;
      this.#blockBytes = 0;
      this.#continuations = 0;
    } else if (++this.#continuations > MAX_CONTINUATIONS) return this.#refuse(H2_ERROR.ENHANCE_YOUR_CALM);
    const needed = this.#blockBytes + bytes;
    if (needed > this.#maxBlockBytes) return this.#refuse(H2_ERROR.ENHANCE_YOUR_CALM);
    if (needed > this.#block.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.#maxBlockBytes, needed * 2)));
      this.#block.copy(grown, 0, 0, this.#blockBytes);
      this.#block = grown;
    }
    this.buf.copy(this.#block, this.#blockBytes, this.from, this.to);
    this.#blockBytes = needed;
    if (!isWhole) return READ.MORE;
    this.type = FRAME.HEADERS;
    this.flags = this.#blockFlags;
    this.buf = this.#block;
    this.from = 0;
    this.to = needed;
    this.#blockStream = 0;
    this.#block = EMPTY;
    return READ.FRAME;
  }

  #trimHeaders(): boolean {
    const { buf, flags } = this;
    let padding = 0;
    if ((flags & FLAG.PADDED) !== 0) padding = buf[this.from++]!;
    if ((flags & FLAG.PRIORITY) !== 0) {
      if (this.to - this.from < 5) return false;
      const at = this.from;
      const dependsOn = ((buf[at]! & 127) << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!;
      if (dependsOn === this.streamId) return false;
      this.from += 5;
    }
    this.to -= padding;
    return this.to >= this.from;
  }

  #refuse(error: number): number {
    this.error = error;
    return READ.BAD;
  }
}

/** An unsigned 32-bit number at buf[at]. */
export function u32At(buf: Buffer, at: number): number {
  return ((buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!) >>> 0;
}
