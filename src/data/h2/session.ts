// What both ends of an HTTP/2 connection do alike (RFC 9113, 3.4, 5, 6): frames to streams, SETTINGS, PING, flow control of
// what comes in, GOAWAY and the end. The client's side is server.ts, the endpoint's client.ts; sending is sender.ts.

import type { Socket } from 'node:net';
import { HeaderBlock } from '../../wire/h2/block.ts';
import { HPACK, HpackDecoder } from '../../wire/h2/decoder.ts';
import { HpackEncoder } from '../../wire/h2/encoder.ts';
import { FrameReader, READ, u32At } from '../../wire/h2/frame-reader.ts';
import { FLAG, FRAME, H2_ERROR } from '../../wire/h2/frames.ts';
import { settingError } from '../../wire/h2/settings.ts';
import type { Reading } from '../buffers.ts';
import type { Plane } from '../plane.ts';
import { Timed } from '../wheel.ts';
import { Inflow } from './inflow.ts';
import { COST, Patience } from './patience.ts';
import { RecentResets } from './resets.ts';
import { Sender, type SenderEvents } from './sender.ts';
import type { H2Stream } from './stream.ts';

/** Header sections as sent; Huffman makes them shorter than what limits.head counts. */
const MAX_BLOCK_BYTES = 128 * 1024;
/** A header section of a stream that was reset counts as so much of what may still be under way. */
const STRAY_HEAD_BYTES = 1024;
/** How long a connection that was ended may take to close. */
const LINGER_MS = 1000;

/** All sections of a worker are decoded into one block: it is read before the next one. */
const block = new HeaderBlock();

export abstract class H2Session<S extends H2Stream> extends Timed implements Reading, SenderEvents {
  readonly plane: Plane;
  readonly sender: Sender;
  readonly streams = new Map<number, S>();
  protected readonly socket: Socket;
  protected readonly block: HeaderBlock = block;
  /** Nothing is read or begun any more. */
  protected isOver = false;
  /** The highest stream id that the peer has begun. */
  protected lastId = 0;
  protected readonly patience: Patience;
  /** So far; pieces of DATA count each. */
  protected framesRead = 0;
  readonly #reader = new FrameReader(MAX_BLOCK_BYTES);
  readonly #decoder = new HpackDecoder();
  readonly #buffer: Buffer;
  readonly #resets = new RecentResets();
  readonly #inflow = new Inflow();
  #frameBytes = 0;
  #hasSettings = false;

  /** `buffer`: what the socket is read into. */
  constructor(plane: Plane, socket: Socket, buffer: Buffer) {
    super();
    this.plane = plane;
    this.socket = socket;
    this.#buffer = buffer;
    this.patience = new Patience(plane.wheel.nowMs);
    this.sender = new Sender(socket, new HpackEncoder(), plane.batch, this);
    socket.on('end', () => this.#onFin());
    socket.on('error', () => {}); // `close` follows and is handled there
    socket.on('close', () => this.#onClose());
  }

  // ── what the two sides know ──────────────────────────────────────────────────────────────────────────────────────

  /** A header section of `streamId` was decoded into `this.block`; `code` is OK or TOO_LARGE. */
  protected abstract onHeaders(streamId: number, code: number, isEnd: boolean): void;
  /** The peer gave a stream up. */
  protected abstract onReset(stream: S, error: number): void;
  /** The peer has told its settings for the first time, or anew. */
  protected abstract onSettings(id: number, value: number): void;
  /** All settings of one frame have been told. */
  protected onSettingsEnd(): void {}
  /** What a head of the peer may hold. */
  protected abstract get headLimits(): { readonly headBytes: number; readonly headers: number };
  protected abstract onGoaway(lastId: number, error: number): void;
  /** The connection is gone; all streams with it. */
  protected abstract onClosed(): void;
  /** The peer is not going to begin such a stream. */
  protected abstract isUnbegun(streamId: number): boolean;

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  next(): Buffer {
    return this.#buffer;
  }

  take(chunk: Buffer): void {
    this.plane.wheel.stamp();
    this.read(chunk, 0);
  }

  protected read(chunk: Buffer, from: number): void {
    const reader = this.#reader;
    let at = from;
    while (!this.isOver) {
      const code = reader.read(chunk, at);
      at = reader.at;
      if (code === READ.MORE) return;
      if (code === READ.BAD) return this.fail(reader.error);
      if (!this.#hasSettings && reader.type !== FRAME.SETTINGS) return this.fail(H2_ERROR.PROTOCOL_ERROR);
      this.framesRead++;
      if (code === READ.DATA) this.#onData(reader);
      else this.#onFrame(reader);
    }
  }

  /** A frame but DATA, or a header section, is not whole. */
  protected get isMidway(): boolean {
    return this.#reader.isMidway;
  }

  #onFrame(reader: FrameReader): void {
    const { buf, from, flags, streamId } = reader;
    switch (reader.type) {
      case FRAME.HEADERS: {
        const { headBytes, headers } = this.headLimits;
        const code = this.#decoder.decode(buf, from, reader.to, this.block, headBytes, headers);
        if (code === HPACK.BAD) return this.fail(H2_ERROR.COMPRESSION_ERROR);
        return this.onHeaders(streamId, code, (flags & FLAG.END_STREAM) !== 0);
      }
      case FRAME.RST_STREAM:
        return this.#onRstStream(streamId, u32At(buf, from));
      case FRAME.SETTINGS:
        return this.#onSettingsFrame(reader);
      case FRAME.PING:
        if (!this.spend(COST.CONTROL)) return;
        if ((flags & FLAG.ACK) === 0) this.sender.ping(buf, from, true);
        else this.onPong();
        return;
      case FRAME.GOAWAY:
        if (!this.spend(COST.CONTROL)) return;
        return this.onGoaway(u32At(buf, from) & 0x7fff_ffff, u32At(buf, from + 4));
      case FRAME.WINDOW_UPDATE:
        return this.#onWindowUpdate(streamId, u32At(buf, from) & 0x7fff_ffff);
      default:
        this.spend(COST.CONTROL); // PRIORITY, and what later versions may bring
        if (reader.type === FRAME.PRIORITY && (u32At(buf, from) & 0x7fff_ffff) === streamId)
          this.fail(H2_ERROR.PROTOCOL_ERROR);
    }
  }

  protected onPong(): void {}

  #onData(reader: FrameReader): void {
    const { buf, from, to, streamId, length, isLast } = reader;
    if (reader.isFirst) {
      this.#frameBytes = 0;
      if (!this.#inflow.take(length)) return this.fail(H2_ERROR.FLOW_CONTROL_ERROR);
      const credit = this.#inflow.give(length);
      if (credit > 0) this.sender.windowUpdate(0, credit);
    }
    this.#frameBytes += to - from;
    const isEnd = isLast && (reader.flags & FLAG.END_STREAM) !== 0;
    if (isLast && this.#frameBytes === 0 && !isEnd && !this.spend(COST.CONTROL)) return;
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (reader.isFirst) this.onStray(streamId, H2_ERROR.STREAM_CLOSED, length);
      return;
    }
    if (stream.isRemoteEnded) return this.resetStream(stream, H2_ERROR.STREAM_CLOSED);
    if (reader.isFirst) {
      stream.recvWindow -= length;
      if (stream.recvWindow < 0) return this.resetStream(stream, H2_ERROR.FLOW_CONTROL_ERROR);
    }
    stream.wake();
    if (stream.isClosed) return;
    stream.isRemoteEnded = isEnd;
    if (to > from) {
      this.patience.earn(1);
      stream.deliver(buf, from, to);
    }
    if (stream.isClosed || !isLast) return;
    if (length > this.#frameBytes) stream.giveCredit(length - this.#frameBytes); // the padding
    if (isEnd) stream.deliverEnd();
  }

  /** A frame of a stream that is not there: of one that we reset, which the peer may not know; else an error. */
  protected onStray(streamId: number, error: number, bytes: number = STRAY_HEAD_BYTES): void {
    if (this.isUnbegun(streamId)) return this.fail(H2_ERROR.PROTOCOL_ERROR);
    if (!this.wasReset(streamId)) return this.fail(error);
    if (!this.#resets.stray(bytes)) this.spend(COST.CONTROL);
  }

  /** Whether we may have reset this stream, which is over. */
  protected wasReset(streamId: number): boolean {
    return this.#resets.has(streamId);
  }

  #onRstStream(streamId: number, error: number): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) return this.onReset(stream, error);
    if (this.isUnbegun(streamId)) this.fail(H2_ERROR.PROTOCOL_ERROR);
    else this.spend(COST.CONTROL);
  }

  #onWindowUpdate(streamId: number, bytes: number): void {
    if (!this.spend(COST.CONTROL)) return;
    const stream = streamId === 0 ? undefined : this.streams.get(streamId);
    if (streamId !== 0 && stream === undefined) {
      if (this.isUnbegun(streamId)) this.fail(H2_ERROR.PROTOCOL_ERROR);
      return; // of a stream that has ended: late, and harmless
    }
    if (bytes === 0) {
      if (stream === undefined) this.fail(H2_ERROR.PROTOCOL_ERROR);
      else this.resetStream(stream, H2_ERROR.PROTOCOL_ERROR);
    } else if (stream === undefined) {
      if (!this.sender.grant(bytes)) this.fail(H2_ERROR.FLOW_CONTROL_ERROR);
    } else if (!this.sender.grantStream(stream, bytes)) this.resetStream(stream, H2_ERROR.FLOW_CONTROL_ERROR);
  }

  #onSettingsFrame({ buf, from, to, flags }: FrameReader): void {
    this.#hasSettings = true;
    if (!this.spend(Math.max(COST.CONTROL, (to - from) >> 6))) return; // each may touch every stream
    if ((flags & FLAG.ACK) !== 0) return;
    for (let at = from; at < to; at += 6) {
      const id = (buf[at]! << 8) | buf[at + 1]!;
      const value = u32At(buf, at + 2);
      const error = settingError(id, value);
      if (error !== H2_ERROR.NO_ERROR) return this.fail(error);
      if (!this.sender.applySetting(id, value, this.streams.values())) return this.fail(H2_ERROR.FLOW_CONTROL_ERROR);
      this.onSettings(id, value);
    }
    this.sender.settingsAck();
    this.onSettingsEnd();
  }

  // ── patience ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** False: the peer has used it up, and the connection is over. */
  protected spend(cost: number): boolean {
    if (this.patience.spend(cost, this.plane.wheel.nowMs)) return true;
    this.fail(H2_ERROR.ENHANCE_YOUR_CALM);
    return false;
  }

  onDataFrame(): void {
    this.patience.sentData();
  }

  abstract onWriting(isWriting: boolean): void;

  // ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends one stream with an error; whoever used it has been told or is told by the caller. */
  protected sendReset(streamId: number, error: number): void {
    this.#resets.add(streamId);
    this.sender.reset(streamId, error);
  }

  /** A stream error of the peer: RST_STREAM, and its exchange is over. */
  abstract resetStream(stream: S, error: number): void;

  /** A connection error: GOAWAY, and the end of everything. */
  protected fail(error: number): void {
    if (this.isOver) return;
    this.sender.goaway(this.lastId, error);
    this.shut(LINGER_MS);
  }

  /** Nothing more is read; what was written leaves, however slowly it is read, then the connection closes. */
  protected shut(leaveMs: number = this.plane.limits.idleTimeoutMs): void {
    if (this.isOver) return;
    this.isOver = true;
    this.plane.wheel.armIn(this, LINGER_MS);
    this.abandon();
    this.sender.flushNow();
    if (!this.sender.isIdle) this.plane.wheel.armIn(this, leaveMs);
  }

  onIdle(): void {
    if (!this.isOver || this.socket.writableEnded) return;
    this.plane.wheel.armIn(this, LINGER_MS);
    this.socket.end();
  }

  /** Tells everybody whose stream was still open. */
  protected abstract abandon(): void;

  destroy(): void {
    this.isOver = true;
    this.socket.destroy();
  }

  #onFin(): void {
    // Neither side of HTTP/2 half-closes: who says no more cannot open windows either.
    if (this.isOver) this.socket.destroySoon();
    else this.shut();
  }

  #onClose(): void {
    this.isOver = true;
    this.plane.wheel.drop(this);
    this.sender.drop();
    this.abandon();
    this.onClosed();
  }
}
