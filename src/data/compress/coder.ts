// One answer on its way through a compressor. Until it is clear how large the body is its head waits here: a small whole
// body is compressed at once and keeps a Content-Length, any other is streamed through zlib on libuv's threads.
//
//   HOLDING ──whole and small──▶ OVER
//      └─── large, or slow ───▶ STREAMING ──endpoint ends──▶ what is left comes out ──▶ OVER
//
// Bounded both ways: the endpoint is held back when MAX_WAITING_BYTES wait for the compressor, the compressor when the client is
// slow. What comes in is copied: compressing costs a hundred times as much, and the reader's memory stays the reader's.

import { CELL, COMPRESS_DIRECTION, COMPRESS_MISS } from '../../core/cells.ts';
import { OUTCOME } from '../../core/sample.ts';
import { FRAMING } from '../../wire/body.ts';
import type { Fields } from '../../wire/fields.ts';
import type { ResponseHead } from '../../wire/response.ts';
import * as attempt from '../attempt.ts';
import { kept } from '../buffers.ts';
import { PROBLEM } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { Timed } from '../wheel.ts';
import type { Codec } from './codecs.ts';
import type { Compressor, CompressorUser, Done } from './compressors.ts';
import { copyOf, dropSums } from './fields.ts';

/**
 * A body up to here that is whole is compressed on the spot: 12–80 µs, and handing it to another thread would keep this one busy for
 * as long (measured: 50 µs at best).
 */
export const WHOLE_BYTES = 8 * 1024;
/** What waits for the compressor, bytes; then the endpoint is held back. One large read more may come in before it stops. */
const MAX_WAITING_BYTES = 64 * 1024;
/** When an endpoint pauses for so long, what it has said so far is sent on; the wheel adds up to its tick. */
const PAUSE_MS = 25;
/**
 * Answers that stream through compressors at a time, per worker; beyond, they go out as they are. Each holds 0.7 (gzip) to 2.6 MiB
 * (br), and the four threads of the process do the work of all.
 */
export const MAX_STREAMING = 128;

const STATE = { HOLDING: 0, STREAMING: 1, OVER: 2 } as const;

let streaming = 0;

/** As many answers as one worker takes on are being streamed through compressors. */
export function isBusy(): boolean {
  return streaming >= MAX_STREAMING;
}

export class Coder extends Timed implements CompressorUser {
  readonly #ex: Exchange;
  readonly #codec: Codec;
  readonly #answer: ResponseHead;
  readonly #extra: string;
  #state: number = STATE.HOLDING;
  #compressor: Compressor | null = null;
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
  /** The compressor has; its output may wait for the client. */
  #isFinished = false;
  #trailers: Fields | null = null;
  #bytesIn = 0;
  /** Compressed bytes that have been given to the client's side. */
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
    if (this.#compressor !== null && !this.#isWriting) this.#feed();
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
    const { wheel } = this.#ex.plane;
    wheel.drop(this);
    if (this.#heldMs >= 0) this.#heldMs = wheel.nowMs;
    if (!this.#isWriting) this.#finish();
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
    this.#compressor?.resume();
  }

  /** The exchange is over, however: the compressor is let go of at once. */
  drop(): void {
    if (this.#state === STATE.STREAMING) {
      streaming--;
      this.#count();
      if (this.#isFinished) this.#codec.compressors.give(this.#compressor!);
      else this.#compressor!.destroy();
      this.#compressor = null;
    }
    this.#state = STATE.OVER;
    this.#waiting = [];
    this.#ex.plane.wheel.drop(this);
  }

  /** The endpoint has paused. */
  override onDeadline(): void {
    if (this.#state === STATE.HOLDING) {
      if (isBusy()) return this.#ex.plane.wheel.armIn(this, PAUSE_MS); // it is small: it may as well become whole here
      this.#begin();
      if (this.#waitingBytes === 0) return this.#ex.down.flush();
      this.#mustFlush = true;
      this.#feed();
    } else if (this.#state === STATE.STREAMING && !this.#isWriting && this.#isDirty) this.#flushOut();
  }

  // ── whole ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #sendWhole(trailers: Fields | null): boolean {
    let coded: Buffer;
    try {
      coded = this.#codec.compressors.whole(this.#take());
    } catch {
      queueMicrotask(() => this.onFailed()); // the endpoint's end is settled first
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

  // ── streamed ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The body is large, or slow, or of unknown length: from here on it is streamed. */
  #begin(): void {
    const answer = this.#answer;
    this.#state = STATE.STREAMING;
    streaming++;
    this.#compressor = this.#codec.compressors.take();
    this.#compressor.user = this;
    this.#ex.down.head(answer.status, answer.reason, answer, this.#extra, FRAMING.CHUNKED, -1);
  }

  #feed(): void {
    if (this.#compressor === null) return; // the client went when it was given the head
    this.#isWriting = true;
    this.#isDirty = true;
    this.#compressor.write(this.#take(), this.#onTaken);
    if (!this.#isFull) return;
    this.#isFull = false;
    const { up, idleMs, books, plane } = this.#ex;
    books.goOn(plane.wheel.nowMs);
    up?.expectWithin(idleMs);
    up?.resume(); // last: it may bring more, or the end, at once
  }

  /** The compressor is ready for more. */
  readonly #onTaken: Done = (error) => {
    this.#isWriting = false;
    if (this.#state !== STATE.STREAMING) return;
    if (error) return this.onFailed();
    if (this.#isEnded) return this.#finish();
    if (this.#waitingBytes > 0) return this.#feed();
    if (this.#mustFlush) return this.#flushOut();
    const { down, plane } = this.#ex;
    down.flush();
    if (!this.#isDirty || this.#compressor === null) return;
    plane.wheel.stamp();
    plane.wheel.armIn(this, PAUSE_MS);
  };

  /** Brings out what the compressor still keeps to itself. */
  #flushOut(): void {
    this.#mustFlush = false;
    this.#isDirty = false;
    this.#isWriting = true;
    this.#compressor!.flush(this.#onTaken);
  }

  #finish(): void {
    this.#isWriting = true;
    if (this.#waitingBytes > 0) this.#compressor!.write(this.#take(), ignore);
    this.#compressor!.finish(this.#onFinished);
  }

  readonly #onFinished: Done = (error) => {
    if (this.#state !== STATE.STREAMING) return;
    if (error) return this.onFailed(); // without it, what came out so far would look whole
    this.#isFinished = true;
    if (!this.#compressor!.hasOutput) this.#complete();
  };

  onOutput(out: Buffer): void {
    this.bytesOut += out.length;
    const { down, plane } = this.#ex;
    const hasRoom = down.chunk(out, 0, out.length);
    const compressor = this.#compressor;
    if (compressor === null) return; // the client went when it was given this
    if (this.#isFinished && !compressor.hasOutput) return this.#complete();
    if (!hasRoom) {
      this.#heldMs = plane.wheel.nowMs;
      compressor.pause();
    } else if (!this.#isWriting) down.flush(); // while it is at work more is to come, and it travels in one write
  }

  /** Everything is out. What follows is what response.ts does at the end of any answer. */
  #complete(): void {
    const ex = this.#ex;
    const trailers = this.#trailers;
    ex.plane.wheel.stamp(); // the client's next request may begin in here
    ex.finish();
    ex.down.end(trailers);
  }

  /** zlib gave up (it had no memory): the client must not take what it has for the whole. */
  onFailed(): void {
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

function ignore(): void {}
