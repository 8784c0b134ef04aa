// HTTP/2 frames on their way out, gathered in one buffer: what each looks like (RFC 9113, 4 and 6) and how a header section is
// split. Which may go when is sender.ts's.

import type { HpackEncoder } from '../../wire/h2/encoder.ts';
import { DEFAULT_FRAME_BYTES, FLAG, FRAME, FRAME_HEAD_BYTES } from '../../wire/h2/frames.ts';
import { Out } from '../../wire/h2/out.ts';
import type { H2Stream } from './stream.ts';

/** Larger buffers are not kept for the next use. */
export const KEEP_BYTES = 128 * 1024;
const MAX_FREE = 16;
const free: Out[] = [];

export abstract class FrameWriter {
  maxFrameBytes = DEFAULT_FRAME_BYTES;
  readonly encoder: HpackEncoder;
  protected current: Out | null = null;
  /** Counts the buffers: a frame's flags can be changed only while it is in the present one. */
  protected epoch = 0;

  constructor(encoder: HpackEncoder) {
    this.encoder = encoder;
  }

  /** What was gathered leaves at the end of this turn. */
  abstract schedule(): void;

  /** Where the next frame goes. */
  get out(): Out {
    this.current ??= free.pop() ?? new Out();
    return this.current;
  }

  /** Gives what was gathered to whoever sends it; null = nothing. */
  protected takeOut(): Out | null {
    const out = this.current;
    if (out === null || out.at === 0) return null;
    this.current = null;
    this.epoch++;
    return out;
  }

  /** Forgets what was gathered. */
  protected dropOut(): void {
    if (this.current !== null) giveBack(this.current);
    this.current = null;
    this.epoch++;
  }

  /** Head of a frame in `out`, whose payload follows; gives where it begins, for `endHeaders`. */
  begin(type: number, flags: number, streamId: number, length: number): number {
    const { out } = this;
    out.reserve(FRAME_HEAD_BYTES + length);
    const at = out.at;
    out.u24(length);
    out.u8(type);
    out.u8(flags);
    out.u32(streamId);
    return at;
  }

  /** The header section that began at `at` is whole: its length is written, and beyond a frame's size it is split. */
  endHeaders(stream: H2Stream, at: number): void {
    const { out } = this;
    const length = out.at - at - FRAME_HEAD_BYTES;
    if (length > this.maxFrameBytes) this.#split(stream.id, at, length);
    else {
      const { bytes } = out;
      bytes[at] = length >>> 16;
      bytes[at + 1] = (length >>> 8) & 255;
      bytes[at + 2] = length & 255;
    }
    stream.flagsAt = at + 4;
    stream.flagsEpoch = this.epoch;
  }

  #split(streamId: number, at: number, length: number): void {
    const { out } = this;
    const flags = out.bytes[at + 4]!;
    const block = Buffer.from(out.bytes.subarray(at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + length));
    out.at = at;
    for (let from = 0; from < length; from += this.maxFrameBytes) {
      const to = Math.min(length, from + this.maxFrameBytes);
      const type = from === 0 ? FRAME.HEADERS : FRAME.CONTINUATION;
      const isLast = to === length ? FLAG.END_HEADERS : 0;
      this.begin(type, (from === 0 ? flags & ~FLAG.END_HEADERS : 0) | isLast, streamId, to - from);
      out.copy(block, from, to);
    }
  }

  /** Bytes that are no frame: the preface. */
  raw(bytes: Buffer): void {
    this.out.reserve(bytes.length);
    this.out.copy(bytes, 0, bytes.length);
    this.schedule();
  }

  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    this.begin(FRAME.SETTINGS, 0, 0, pairs.length * 6);
    for (const [id, value] of pairs) {
      this.out.u16(id);
      this.out.u32(value);
    }
    this.schedule();
  }

  settingsAck(): void {
    this.begin(FRAME.SETTINGS, FLAG.ACK, 0, 0);
    this.schedule();
  }

  ping(payload: Buffer, from: number, isAck: boolean): void {
    this.begin(FRAME.PING, isAck ? FLAG.ACK : 0, 0, 8);
    this.out.copy(payload, from, from + 8);
    this.schedule();
  }

  goaway(lastId: number, error: number): void {
    this.begin(FRAME.GOAWAY, 0, 0, 8);
    this.out.u32(lastId);
    this.out.u32(error);
    this.schedule();
  }

  reset(streamId: number, error: number): void {
    this.begin(FRAME.RST_STREAM, 0, streamId, 4);
    this.out.u32(error);
    this.schedule();
  }

  windowUpdate(streamId: number, bytes: number): void {
    this.begin(FRAME.WINDOW_UPDATE, 0, streamId, 4);
    this.out.u32(bytes);
    this.schedule();
  }
}

/** Nobody reads it any more. */
export function giveBack(out: Out): void {
  out.at = 0;
  if (out.bytes.length <= KEEP_BYTES && free.length < MAX_FREE) free.push(out);
}
