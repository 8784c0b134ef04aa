// The sending half of one HTTP/2 connection: what was gathered (frame-writer.ts) is written once a turn; flow control of the
// connection and its streams, and what waits for either. Streams take turns of one frame each, so that a large body does not
// keep small answers waiting. What is sent belongs to session.ts and the streams.

import type { Socket } from 'node:net';
import { copyKept, type Fields } from '../../wire/fields.ts';
import type { HpackEncoder } from '../../wire/h2/encoder.ts';
import { DEFAULT_WINDOW_BYTES, FLAG, FRAME, MAX_WINDOW_BYTES, SETTING } from '../../wire/h2/frames.ts';
import type { Out } from '../../wire/h2/out.ts';
import type { Batch, Flushable } from '../batch.ts';
import { type Pending, writeBytes } from '../h1/direct.ts';
import { FrameWriter, giveBack, KEEP_BYTES } from './frame-writer.ts';
import type { H2Stream } from './stream.ts';

/** Gathered bytes beyond which bodies wait with their streams: what is here can take turns no more. */
const HIGH_BYTES = 64 * 1024;
/** Heads and control frames know no windows: with this much of them unread, the peer is not to be asked for more. */
const FULL_BYTES = 512 * 1024;

/** What the sender tells its session. */
export interface SenderEvents {
  /** A write is under way, or no more. */
  onWriting(isWriting: boolean): void;
  /** A DATA frame went out: the client earned some patience. */
  onDataFrame(): void;
  /** Everything has left for the kernel. */
  onIdle(): void;
}

export class Sender extends FrameWriter implements Pending, Flushable {
  pendingWrites = 0;
  isScheduled = false;
  /** As the peer's SETTINGS have it. */
  initialWindow = DEFAULT_WINDOW_BYTES;
  /** What streams were granted beyond their first windows, all together; kept by them. */
  grownBytes = 0;
  readonly #socket: Socket;
  readonly #batch: Batch;
  readonly #events: SenderEvents;
  #window = DEFAULT_WINDOW_BYTES;
  #flying: Out | null = null;
  readonly #waiting: H2Stream[] = [];

  constructor(socket: Socket, encoder: HpackEncoder, batch: Batch, events: SenderEvents) {
    super(encoder);
    this.#socket = socket;
    this.#batch = batch;
    this.#events = events;
  }

  get isIdle(): boolean {
    return this.#flying === null && (this.current === null || this.current.at === 0);
  }

  /** The peer does not take what it is sent. */
  get isFull(): boolean {
    return this.current !== null && this.current.at >= FULL_BYTES;
  }

  get #isCongested(): boolean {
    return this.current !== null && this.current.at >= HIGH_BYTES;
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
    } else if (stream.flagsEpoch === this.epoch && this.current !== null) {
      this.current.bytes[stream.flagsAt]! |= FLAG.END_STREAM; // the last frame has not left yet
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
      stream.flagsEpoch = this.epoch;
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
      const out = this.takeOut();
      if (out === null) return this.#events.onIdle();
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
    this.dropOut();
    this.#waiting.length = 0;
  }
}
