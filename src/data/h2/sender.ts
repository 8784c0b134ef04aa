// The sending half of one HTTP/2 connection: frames gathered in one buffer and written once a turn, flow control of the
// connection and its streams, and what waits for either. Streams take turns of one frame each, so that a large body does not
// keep small answers waiting. What is sent belongs to session.ts and the streams.

import type { Socket } from 'node:net';
import { copyKept, type Fields } from '../../wire/fields.ts';
import type { HpackEncoder } from '../../wire/h2/encoder.ts';
import {
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  FLAG,
  FRAME,
  FRAME_HEAD_BYTES,
  MAX_WINDOW_BYTES,
  SETTING,
} from '../../wire/h2/frames.ts';
import { Out } from '../../wire/h2/out.ts';
import type { Batch, Flushable } from '../batch.ts';
import { type Pending, writeBytes } from '../h1/direct.ts';
import type { H2Stream } from './stream.ts';

/** Gathered bytes beyond which bodies wait with their streams: what is here can take turns no more. */
const HIGH_BYTES = 64 * 1024;
/** Heads and control frames know no windows: with this much of them unread, the peer is not to be asked for more. */
const FULL_BYTES = 512 * 1024;
/** Larger buffers are not kept for the next use. */
const KEEP_BYTES = 2 * HIGH_BYTES;
const MAX_FREE = 16;
const free: Out[] = [];

/** What the sender tells its session. */
export interface SenderEvents {
  /** A write is under way, or no more. */
  onWriting(isWriting: boolean): void;
  /** A DATA frame went out: the client earned some patience. */
  onDataFrame(): void;
  /** Everything has left for the kernel. */
  onIdle(): void;
}

export class Sender implements Pending, Flushable {
  pendingWrites = 0;
  isScheduled = false;
  /** The peer's SETTINGS. */
  initialWindow = DEFAULT_WINDOW_BYTES;
  maxFrameBytes = DEFAULT_FRAME_BYTES;
  readonly encoder: HpackEncoder;
  readonly #socket: Socket;
  readonly #batch: Batch;
  readonly #events: SenderEvents;
  #window = DEFAULT_WINDOW_BYTES;
  #out: Out | null = null;
  #flying: Out | null = null;
  /** Counts the buffers: a frame's flags can be changed only while it is in the present one. */
  #epoch = 0;
  readonly #waiting: H2Stream[] = [];

  constructor(socket: Socket, encoder: HpackEncoder, batch: Batch, events: SenderEvents) {
    this.#socket = socket;
    this.encoder = encoder;
    this.#batch = batch;
    this.#events = events;
  }

  /** Where the next frame goes. */
  get out(): Out {
    this.#out ??= free.pop() ?? new Out();
    return this.#out;
  }

  get isIdle(): boolean {
    return this.#flying === null && (this.#out === null || this.#out.at === 0);
  }

  /** The peer does not take what it is sent. */
  get isFull(): boolean {
    return this.#out !== null && this.#out.at >= FULL_BYTES;
  }

  get #isCongested(): boolean {
    return this.#out !== null && this.#out.at >= HIGH_BYTES;
  }

  // ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────────

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
    stream.flagsEpoch = this.#epoch;
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

  // ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Body bytes of a stream. False: some wait with the stream; its `onSent` follows when they have gone. */
  data(stream: H2Stream, chunk: Buffer, from: number, to: number): boolean {
    const at = stream.pendingBytes === 0 ? this.#write(stream, chunk, from, to) : from;
    this.schedule();
    if (at === to) return true;
    stream.hold(chunk, at, to);
    if (stream.sendWindow > 0) this.#enlist(stream);
    return false;
  }

  /** The stream's last word; behind whatever waits. Its `onEnded` is called when it has been said. */
  end(stream: H2Stream, trailers: Fields | null): void {
    const lines = trailers === null ? '' : copyKept(trailers);
    if (stream.pendingBytes > 0) {
      stream.isEnding = true;
      stream.trailerLines = lines;
    } else this.#finish(stream, lines);
  }

  #finish(stream: H2Stream, trailerLines: string): void {
    if (trailerLines !== '') {
      const at = this.begin(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, stream.id, 0);
      this.encoder.lines(this.out, trailerLines);
      this.endHeaders(stream, at);
    } else if (stream.flagsEpoch === this.#epoch && this.#out !== null) {
      this.#out.bytes[stream.flagsAt]! |= FLAG.END_STREAM; // the last frame has not left yet
    } else this.begin(FRAME.DATA, FLAG.END_STREAM, stream.id, 0);
    this.schedule();
    stream.onEnded();
  }

  /** As much of chunk[from, to) as windows and buffer take; gives where it stopped. */
  #write(stream: H2Stream, chunk: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && !this.#isCongested) {
      const room = Math.min(stream.sendWindow, this.#window, this.maxFrameBytes);
      if (room <= 0) break;
      const bytes = to - at < room ? to - at : room;
      const frameAt = this.begin(FRAME.DATA, 0, stream.id, bytes);
      this.out.copy(chunk, at, at + bytes);
      stream.flagsAt = frameAt + 4;
      stream.flagsEpoch = this.#epoch;
      stream.sendWindow -= bytes;
      this.#window -= bytes;
      at += bytes;
      this.#events.onDataFrame();
    }
    return at;
  }

  #enlist(stream: H2Stream): void {
    if (stream.isWaiting) return;
    stream.isWaiting = true;
    this.#waiting.push(stream);
  }

  /** Gives every stream that waits a frame, round and round, until windows or buffer are full. */
  #pump(): void {
    const waiting = this.#waiting;
    while (waiting.length > 0 && this.#window > 0 && !this.#isCongested) {
      const stream = waiting.shift()!;
      stream.isWaiting = false;
      if (stream.isClosed) continue;
      const piece = stream.firstPending();
      if (piece === null) continue;
      const end = Math.min(piece.length, this.maxFrameBytes);
      const at = this.#write(stream, piece, 0, end);
      stream.take(at);
      if (stream.pendingBytes > 0) {
        if (stream.sendWindow > 0) this.#enlist(stream);
      } else if (stream.isEnding) this.#finish(stream, stream.trailerLines);
      else stream.onSent();
    }
  }

  // ── windows and settings of the peer ─────────────────────────────────────────────────────────────────────────────

  /** WINDOW_UPDATE of the connection. False = it overflows. */
  grant(bytes: number): boolean {
    this.#window += bytes;
    if (this.#window > MAX_WINDOW_BYTES) return false;
    this.#pump();
    this.schedule();
    return true;
  }

  /** WINDOW_UPDATE of a stream. False = it overflows. */
  grantStream(stream: H2Stream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return false;
    if (stream.pendingBytes > 0 && stream.sendWindow > 0) {
      this.#enlist(stream);
      this.#pump();
      this.schedule();
    }
    return true;
  }

  /** One setting of the peer; false = a window overflows. Other settings are not the sender's. */
  applySetting(id: number, value: number, streams: Iterable<H2Stream>): boolean {
    if (id === SETTING.MAX_FRAME_SIZE) this.maxFrameBytes = Math.min(value, KEEP_BYTES / 4);
    else if (id === SETTING.HEADER_TABLE_SIZE) this.encoder.tableSize(value);
    else if (id === SETTING.INITIAL_WINDOW_SIZE) {
      const change = value - this.initialWindow;
      this.initialWindow = value;
      for (const stream of streams) if (!this.grantStream(stream, change)) return false;
    }
    return true;
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What was gathered leaves at the end of this turn. */
  schedule(): void {
    if (!this.isScheduled && this.#flying === null) this.#batch.add(this);
  }

  flushNow(): void {
    while (this.#flying === null) {
      const out = this.#out;
      if (out === null || out.at === 0) return this.#events.onIdle();
      this.#out = null;
      this.#epoch++;
      if (this.#socket.destroyed) return giveBack(out);
      this.#flying = out;
      if (!writeBytes(this.#socket, out.bytes.subarray(0, out.at), this)) {
        this.#events.onWriting(true);
        return;
      }
      this.#flying = null;
      giveBack(out);
      this.#pump();
    }
  }

  onWritten(failed: boolean): void {
    const out = this.#flying;
    this.#flying = null;
    if (out !== null) giveBack(out);
    if (failed) {
      this.#socket.destroy();
      return;
    }
    this.#events.onWriting(false);
    this.#pump();
    this.flushNow();
  }

  /** Forgets what was gathered and who waits. */
  drop(): void {
    if (this.#out !== null) giveBack(this.#out);
    this.#out = null;
    this.#epoch++;
    this.#waiting.length = 0;
  }
}

function giveBack(out: Out): void {
  out.at = 0;
  if (out.bytes.length <= KEEP_BYTES && free.length < MAX_FREE) free.push(out);
}
