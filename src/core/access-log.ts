// The access log as the planes agree on it: what is to be written, and the memory in which a worker's lines wait for the thread
// that writes them. One ring a lane, for the life of the node: whoever sits on the lane puts whole lines in, the writer takes
// them out; a worker that dies leaves behind what was in it.
//
//   ring of a lane:   head (64 bytes)  │  RING_BYTES of lines, round and round
//   bell:             what writer and node say to each other, and who sleeps
//
// Positions count bytes for ever, modulo 2^32. Each has one writer; whoever reads the other's sees whole lines only.

import { Buffer } from 'node:buffer';

/** Of lines that wait, a lane. A power of two. Some 7,000 lines: a third of a second of a worker's most, seconds of what is usual. */
export const RING_BYTES = 4 * 1024 * 1024;
const HEAD_BYTES = 64;
const AT = { PUT: 0, TAKEN: 1, LINES: 2, DROPPED: 3 } as const;

/** Words of the bell. REST: one of REST. STOP: ms that the writer has left, 0 = it goes on. LOST: lines it could not write. */
export const BELL = { RUNG: 0, REST: 1, STOP: 2, ENDED: 3, LOST: 4 } as const;
const BELL_WORDS = 8;
/** The writer works; it gathers, and is to be woken for half a ring; it sleeps until somebody rings. */
export const REST = { NONE: 0, GATHERING: 1, ASLEEP: 2 } as const;

/** What is written of requests; null in the Snapshot = nothing. */
export interface AccessLogSpec {
  readonly format: 'json' | 'combined';
  /** Part of the requests that is written, 0 … 1. */
  readonly sample: number;
  /** Whether failures are sampled like all others; else all of them are written. */
  readonly sampleErrors: boolean;
  /** What takes longer is always written, ms; null = nothing is. */
  readonly slowMs: number | null;
  /** Request fields that JSON lines hold besides. Lower case. */
  readonly headers: readonly string[];
  /** Names of query parameters and of fields whose values are not written. Lower case. */
  readonly redactQuery: readonly string[];
  readonly redactHeaders: readonly string[];
  /** By lane. */
  readonly rings: readonly SharedArrayBuffer[];
  readonly bell: SharedArrayBuffer;
}

export function newRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + RING_BYTES);
}

export function newBell(): SharedArrayBuffer {
  return new SharedArrayBuffer(BELL_WORDS * 4);
}

/** Rings when the writer sleeps; a word of its own never misses it. */
export function ring(bell: Int32Array): void {
  Atomics.add(bell, BELL.RUNG, 1);
  Atomics.notify(bell, BELL.RUNG);
}

/** A worker's end of its ring. */
export class LinePutter {
  readonly #head: Int32Array;
  readonly #bytes: Buffer;
  readonly #bell: Int32Array;

  constructor(buffer: SharedArrayBuffer, bell: SharedArrayBuffer) {
    this.#head = new Int32Array(buffer, 0, HEAD_BYTES / 4);
    this.#bytes = Buffer.from(buffer, HEAD_BYTES, RING_BYTES) as unknown as Buffer;
    this.#bell = new Int32Array(bell);
  }

  /** Puts whole lines in, each with its line feed, or counts them as dropped when there is no room. Never waits. */
  put(batch: Buffer, lines: number): void {
    const head = this.#head;
    const bell = this.#bell;
    const put = head[AT.PUT]!;
    const used = (put - Atomics.load(head, AT.TAKEN)) | 0;
    const { length } = batch;
    if (length > RING_BYTES - used) {
      Atomics.add(head, AT.DROPPED, lines);
      return;
    }
    const at = put & (RING_BYTES - 1);
    // Not `set`, which copies into shared memory piece by piece.
    const first = batch.copy(this.#bytes, at);
    if (first < length) batch.copy(this.#bytes, 0, first);
    Atomics.add(head, AT.LINES, lines);
    Atomics.store(head, AT.PUT, (put + length) | 0);
    const rest = Atomics.load(bell, BELL.REST);
    if (rest === REST.ASLEEP || (rest === REST.GATHERING && used + length > RING_BYTES / 2)) ring(bell);
  }
}

/** The writer's end; `counts` for whoever tells. */
export class LineTaker {
  readonly #head: Int32Array;
  readonly bytes: Buffer;

  constructor(buffer: SharedArrayBuffer) {
    this.#head = new Int32Array(buffer, 0, HEAD_BYTES / 4);
    this.bytes = Buffer.from(buffer, HEAD_BYTES, RING_BYTES) as unknown as Buffer;
  }

  /** Bytes that wait: whole lines, but for the first when a part of it has been taken. */
  get waiting(): number {
    return (Atomics.load(this.#head, AT.PUT) - this.#head[AT.TAKEN]!) | 0;
  }

  /** Where in `bytes` they begin. */
  get at(): number {
    return this.#head[AT.TAKEN]! & (RING_BYTES - 1);
  }

  take(bytes: number): void {
    Atomics.store(this.#head, AT.TAKEN, (this.#head[AT.TAKEN]! + bytes) | 0);
  }
}

/** Lines put in and lines dropped by one lane so far, each modulo 2^32. */
export function countsOf(buffer: SharedArrayBuffer): { readonly lines: number; readonly dropped: number } {
  const head = new Int32Array(buffer, 0, HEAD_BYTES / 4);
  return { lines: Atomics.load(head, AT.LINES), dropped: Atomics.load(head, AT.DROPPED) };
}
