// One answer on its way through a compressor. Until it is clear how large the body is its head waits here: a small whole
// body is compressed at once and keeps a Content-Length, any other goes through a zlib stream on libuv's threads.
//
//   HOLDING ──whole and small──▶ OVER
//      └─── large, or slow ───▶ STREAMING ──endpoint ends──▶ what is left comes out ──▶ OVER
//
// Bounded both ways: the endpoint is held back when MAX_WAITING_BYTES wait for the compressor, the compressor when the client is
// slow. What comes in is copied: compressing costs a hundred times as much, and the reader's memory stays the reader's.

import { CELL, COMPRESS_DIRECTION, COMPRESS_MISS, OUTCOME } from '../../core/lane.ts';
import { FRAMING } from '../../wire/body.ts';
import { Fields } from '../../wire/fields.ts';
import type { ResponseHead } from '../../wire/response.ts';
import * as attempt from '../attempt.ts';
import { kept } from '../buffers.ts';
import { PROBLEM } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { Timed } from '../wheel.ts';
import type { Codec, Compressor } from './codecs.ts';
import { dropSums } from './fields.ts';

/**
 * A body up to here that is whole is compressed on the spot: 40–80 µs, and handing it to another thread would keep this one busy for
 * as long (measured: 55–110 µs).
 */
export const WHOLE_BYTES = 8 * 1024;
/** What waits for the compressor, bytes; then the endpoint is held back. One large read more may come in before it stops. */
const MAX_WAITING_BYTES = 64 * 1024;
/** An endpoint that pauses for so long gets what it has said so far sent; the wheel adds up to its tick. */
const PAUSE_MS = 25;
/**
 * Streams through a compressor at a time, per worker; beyond, answers go out as they are. Each holds 0.7 (gzip) to 2.6 MiB (br), and
 * four threads do the work of all.
 */
export const MAX_STREAMING = 128;

const STATE = { HOLDING: 0, STREAMING: 1, OVER: 2 } as const;

let streaming = 0;

/** As many answers as one worker takes on are being streamed through a compressor. */
export function isBusy(): boolean {
  return streaming >= MAX_STREAMING;
}

export class Coder extends Timed {
  readonly #ex: Exchange;
  readonly #codec: Codec;
  readonly #answer: ResponseHead;
  readonly #extra: string;
  #state: number = STATE.HOLDING;
  #stream: Compressor | null = null;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** The compressor is at work. */
  #isWriting = false;
  /** Something went in since the last flush. */
  #isDirty = false;
  #mustFlush = false;
  /** The endpoint is held back. */
  #isFull = false;
  /** The endpoint has given its whole answer. */
  #isEnded = false;
  #trailers: Fields | null = null;
  #bytesIn = 0;
  /** Compressed bytes that the client has been given. */
  bytesOut = 0;
  /** Since when the client has been holding us back, ms; -1 = it is not. */
  #heldMs = -1;

  /** `answer` and `extra` are the head as it shall be sent, less Content-Length. */
  constructor(ex: Exchange, codec: Codec, answer: ResponseHead, extra: string) {
    super();
    this.#ex = ex;
    this.#codec = codec;
    this.#answer = answer;
    this.#extra = extra;
    if (answer.framing === FRAMING.LENGTH && answer.length > WHOLE_BYTES) this.#begin();
    else ex.plane.wheel.armIn(this, PAUSE_MS);
  }

  /** Nothing has been sent to the client yet. */
  get holdsHead(): boolean {
    return this.#state === STATE.HOLDING;
  }

  // ── from the endpoint ────────────────────────────────────────────────────────────────────────────────────────────

  /** Body bytes. False = hold back; the endpoint is resumed from here. */
  chunk(chunk: Buffer, from: number, to: number): boolean {
    this.#waiting.push(kept(chunk, from, to));
    this.#waitingBytes += to - from;
    this.#bytesIn += to - from;
    if (this.#state === STATE.HOLDING && this.#waitingBytes > WHOLE_BYTES) this.#begin();
    if (this.#state === STATE.STREAMING && !this.#isWriting) this.#feed();
    if (this.#waitingBytes <= MAX_WAITING_BYTES) return true;
    this.#isFull = true;
    return false;
  }

  /** One read has been told. A body of unknown length that did not end with it goes on its way. */
  flush(): void {
    if (this.#state === STATE.HOLDING) {
      if (this.#answer.framing === FRAMING.LENGTH) return; // the rest is on its way
      this.#begin();
      if (this.#waitingBytes > 0) this.#feed();
    }
    if (!this.#isWriting) this.#ex.down.flush();
  }

  /** The body is whole. True = everything has been handed to the client's side, and only its end is missing. */
  end(trailers: Fields | null): boolean {
    if (trailers !== null) dropSums(trailers);
    this.#isEnded = true;
    if (this.#state === STATE.HOLDING) return this.#sendWhole(trailers);
    this.#trailers = trailers === null ? null : copyOf(trailers); // the connection they came by is about to be used again
    this.#ex.plane.wheel.drop(this);
    if (!this.#isWriting) this.#finishStream();
    return false;
  }

  // ── from the client's side, and from the exchange ────────────────────────────────────────────────────────────────

  /** The client has room again. */
  resume(): void {
    if (this.#heldMs < 0) return;
    const { books, plane } = this.#ex;
    // Behind the endpoint's end it is the client who takes the time, not we: it is no overhead of ours.
    if (this.#isEnded) books.endpointMs += Math.max(0, plane.wheel.nowMs - this.#heldMs);
    this.#heldMs = -1;
    this.#stream?.resume();
  }

  /** The exchange is over, however: the compressor is let go of at once. */
  drop(): void {
    if (this.#state === STATE.STREAMING) {
      streaming--;
      this.#count();
    }
    this.#state = STATE.OVER;
    this.#waiting = [];
    this.#ex.plane.wheel.drop(this);
    this.#stream?.destroy();
  }

  override onDeadline(): void {
    if (this.#state === STATE.HOLDING) {
      this.#begin();
      if (this.#waitingBytes === 0) return this.#ex.down.flush();
      this.#mustFlush = true;
      this.#feed();
    } else if (this.#state === STATE.STREAMING && !this.#isWriting && this.#isDirty) this.#flushStream();
  }

  // ── the two ways ─────────────────────────────────────────────────────────────────────────────────────────────────

  #sendWhole(trailers: Fields | null): boolean {
    let coded: Buffer;
    try {
      coded = this.#codec.whole(this.#take());
    } catch {
      queueMicrotask(() => this.#fail()); // the endpoint's end is settled first
      return false;
    }
    const { down } = this.#ex;
    const answer = this.#answer;
    const framing = trailers === null ? FRAMING.LENGTH : FRAMING.CHUNKED; // only chunks leave room for trailers
    this.bytesOut = coded.length;
    this.#state = STATE.OVER;
    down.head(answer.status, answer.reason, answer, this.#extra, framing, coded.length);
    down.chunk(coded, 0, coded.length);
    this.#count();
    return true;
  }

  /** The body is large, or slow, or of unknown length: from here on it is streamed. */
  #begin(): void {
    const answer = this.#answer;
    this.#state = STATE.STREAMING;
    streaming++;
    this.#ex.down.head(answer.status, answer.reason, answer, this.#extra, FRAMING.CHUNKED, -1);
    const stream = this.#codec.make();
    this.#stream = stream;
    stream.on('data', (out: Buffer) => this.#onOutput(out));
    stream.on('end', () => this.#onEnd());
    stream.on('error', () => this.#fail());
  }

  #feed(): void {
    this.#isWriting = true;
    this.#isDirty = true;
    this.#stream!.write(this.#take(), this.#onWritten);
    if (!this.#isFull) return;
    this.#isFull = false;
    const { up, idleMs } = this.#ex;
    up?.resume();
    up?.expectWithin(idleMs);
  }

  readonly #onWritten = (): void => {
    this.#isWriting = false;
    if (this.#state !== STATE.STREAMING) return;
    if (this.#waitingBytes > 0 && !this.#isEnded) return this.#feed();
    if (this.#isEnded) return this.#finishStream();
    if (this.#mustFlush) return this.#flushStream();
    const { down, plane } = this.#ex;
    down.flush();
    if (!this.#isDirty) return;
    plane.wheel.stamp();
    plane.wheel.armIn(this, PAUSE_MS);
  };

  /** Brings out what the compressor still keeps to itself. */
  #flushStream(): void {
    this.#mustFlush = false;
    this.#isDirty = false;
    this.#isWriting = true;
    this.#stream!.flush(this.#codec.flush, this.#onWritten);
  }

  #finishStream(): void {
    this.#isWriting = true;
    if (this.#waitingBytes > 0) this.#stream!.end(this.#take());
    else this.#stream!.end();
  }

  #onOutput(out: Buffer): void {
    if (this.#state !== STATE.STREAMING) return;
    this.bytesOut += out.length;
    const { down, plane } = this.#ex;
    if (down.chunk(out, 0, out.length)) {
      // While the compressor is at work more is to come, and it travels in one write.
      if (!this.#isWriting) down.flush();
      return;
    }
    this.#heldMs = plane.wheel.nowMs;
    this.#stream!.pause();
  }

  /** Everything is out. What follows is what response.ts does at the end of any answer. */
  #onEnd(): void {
    if (this.#state !== STATE.STREAMING) return;
    const ex = this.#ex;
    const trailers = this.#trailers;
    ex.plane.wheel.stamp(); // the client's next request may begin in here
    ex.finish();
    ex.down.end(trailers);
  }

  /** zlib gave up (it had no memory): the client must not take what it has for the whole. */
  #fail(): void {
    if (this.#state === STATE.OVER) return;
    const ex = this.#ex;
    ex.plane.lane.count(CELL.COMPRESS_MISSES, ex.route!.spec.uid, this.#codec.index, COMPRESS_MISS.ERROR);
    attempt.drop(ex, OUTCOME.CLIENT_GONE);
    ex.refuse(PROBLEM.internal);
  }

  // ── small things ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** What waits, as one piece. */
  #take(): Buffer {
    const pieces = this.#waiting;
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, this.#waitingBytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
    return bytes;
  }

  #count(): void {
    const { lane } = this.#ex.plane;
    const { uid } = this.#ex.route!.spec;
    const { index } = this.#codec;
    lane.count(CELL.COMPRESSED, uid, index, 0);
    lane.count(CELL.COMPRESS_BYTES, uid, index, COMPRESS_DIRECTION.IN, this.#bytesIn);
    lane.count(CELL.COMPRESS_BYTES, uid, index, COMPRESS_DIRECTION.OUT, this.bytesOut);
  }
}

function copyOf(fields: Fields): Fields {
  const copy = new Fields(fields.count);
  copy.text = fields.text;
  copy.count = fields.count;
  copy.seen = fields.seen;
  copy.repeated = fields.repeated;
  copy.id.set(fields.id.subarray(0, fields.count));
  copy.nameAt.set(fields.nameAt.subarray(0, fields.count));
  copy.nameEnd.set(fields.nameEnd.subarray(0, fields.count));
  copy.valueAt.set(fields.valueAt.subarray(0, fields.count));
  copy.valueEnd.set(fields.valueEnd.subarray(0, fields.count));
  copy.plain.set(fields.plain.subarray(0, fields.count));
  copy.drop.set(fields.drop.subarray(0, fields.count));
  return copy;
}
