// What sockets read into. Node's default is a fresh 64 KiB per read, and that is what a proxy then pays for: page faults,
// and a collector that runs because of memory outside its heap. Here all connections of a worker read into one shared
// buffer, since whatever a read brings is dealt with before the next read; only a connection in the midst of a large body
// reads into a buffer of its own, so that its bytes need not be copied; and only while they are taken as they come. Behind bytes
// that wait it reads into the shared one again: who is slow has one buffer held for him, not two, and costs a copy.
//
//   head, small body ──▶ SHARED (copied into the answer's text)         large body ──▶ a bulk buffer, back to the pool when sent

import { Socket } from 'node:net';
import { handleOf, type StreamHandle, streams } from './handle.ts';

/** One read takes up to this much. Larger reads were measured and gave nothing: the kernel hands out what has arrived. */
export const BULK_BYTES = 64 * 1024;
/** What may wait in an accepted socket's own queue before no more is read for it: a TLS record's worth. */
export const MAX_QUEUED_BYTES = 16 * 1024;
/** Bulk buffers kept for the next large body, per worker; of smaller ones as many as take the same room. */
const MAX_FREE = 64;
/** What is read into the shared buffer fits into a bulk buffer with the framing before and behind it. */
const FRAMING_BYTES = 512;

export const SHARED: Buffer = Buffer.allocUnsafeSlow(BULK_BYTES - FRAMING_BYTES);
/**
 * As many exchanges of a worker may wait for their clients before less is read for each: a large read is dear to hold, small ones
 * are dear to make (half the size: a quarter more CPU). A crowd of a thousand that does not read holds 14 MiB, not 64.
 */
const MANY = 32;
const A_CROWD = 128;
const A_MULTITUDE = 512;
const HALF_BYTES = BULK_BYTES / 2;
const QUARTER_BYTES = BULK_BYTES / 4;
const EIGHTH_BYTES = BULK_BYTES / 8;
const NARROW: Buffer = SHARED.subarray(0, HALF_BYTES - FRAMING_BYTES);
const NARROWER: Buffer = SHARED.subarray(0, QUARTER_BYTES - FRAMING_BYTES);
const NARROWEST: Buffer = SHARED.subarray(0, EIGHTH_BYTES - FRAMING_BYTES);
let waiting = 0;
/** Reads that are all taken at once before a connection that had to wait gets a buffer of its own again. */
const WARY_READS = 16;

/** An exchange waits for its client to take what it was sent (1), or does no more (-1). */
export function countWaiting(change: 1 | -1): void {
  waiting += change;
}

/** `isShared` of what is read into, which costs less to ask. */
function isSharedView(buffer: Buffer): boolean {
  return buffer === SHARED || buffer === NARROW || buffer === NARROWER || buffer === NARROWEST;
}

function sharedNow(): Buffer {
  if (waiting <= MANY) return SHARED;
  if (waiting <= A_CROWD) return NARROW;
  return waiting <= A_MULTITUDE ? NARROWER : NARROWEST;
}

/** SHARED[0, n) for small n: most reads are heads, and making a view costs as much as reading a line of one. */
const views: Buffer[] = [];
const MAX_VIEW_BYTES = 2048;
const SHARED_MEMORY = SHARED.buffer;
const free: Buffer[] = [];
const freeHalves: Buffer[] = [];
const freeQuarters: Buffer[] = [];
const freeEighths: Buffer[] = [];

/** The bytes chunk[from, to) as text, one char a byte. `toString('latin1')` less the look-up of the encoding. */
export function textOf(chunk: Buffer, from: number, to: number): string {
  return (chunk as Buffer & { latin1Slice(from: number, to: number): string }).latin1Slice(from, to);
}

/** Writes latin1 `text` at `at`; the bytes written. `write(…, 'latin1')` less the same. */
export function putText(into: Buffer, text: string, at: number): number {
  return (into as Buffer & { latin1Write(text: string, at: number): number }).latin1Write(text, at);
}

/** The next read of this worker writes to its memory. */
export function isShared(chunk: Buffer): boolean {
  return chunk.buffer === SHARED_MEMORY;
}

/** The bytes chunk[from, to), in memory that the next read of this worker does not write to. */
export function owned(chunk: Buffer, from: number, to: number): Buffer {
  if (isShared(chunk)) return Buffer.from(chunk.subarray(from, to));
  return from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to);
}

/** A copy of chunk[from, to) that may be kept for as long as one likes. */
export function kept(chunk: Buffer, from: number, to: number): Buffer {
  return Buffer.from(chunk.subarray(from, to));
}

/**
 * A buffer for `bytes`, at most BULK_BYTES, from the pool; whoever takes it gives it back once nobody reads it any more. When
 * there is a crowd, one that is not much larger.
 */
export function takeBulk(bytes: number = BULK_BYTES): Buffer {
  if (waiting > MANY && bytes <= HALF_BYTES) {
    if (bytes <= EIGHTH_BYTES && waiting > A_MULTITUDE)
      return freeEighths.pop() ?? Buffer.allocUnsafeSlow(EIGHTH_BYTES);
    if (bytes <= QUARTER_BYTES) return freeQuarters.pop() ?? Buffer.allocUnsafeSlow(QUARTER_BYTES);
    return freeHalves.pop() ?? Buffer.allocUnsafeSlow(HALF_BYTES);
  }
  return free.pop() ?? Buffer.allocUnsafeSlow(BULK_BYTES);
}

export function giveBulk(buffer: Buffer): void {
  const { length } = buffer;
  if (length === BULK_BYTES) keep(free, buffer, MAX_FREE);
  else if (length === HALF_BYTES) keep(freeHalves, buffer, 2 * MAX_FREE);
  else if (length === QUARTER_BYTES) keep(freeQuarters, buffer, 4 * MAX_FREE);
  else keep(freeEighths, buffer, 8 * MAX_FREE);
}

function keep(pool: Buffer[], buffer: Buffer, limit: number): void {
  if (pool.length < limit) pool.push(buffer);
}

/** Where one connection reads to. */
export class ReadBuffer {
  current: Buffer = SHARED;
  #wary = 0;

  /**
   * Chooses where the next read goes. `isBulk`: more of a large body is to come. `isFlushed`: nothing that was read last
   * still waits to be written; otherwise that buffer is left to whoever writes it.
   */
  next(isBulk: boolean, isFlushed: boolean): Buffer {
    const last = this.current;
    if (!isFlushed) this.#wary = WARY_READS;
    else if (this.#wary > 0) this.#wary--;
    if (isBulk && this.#wary === 0 && waiting <= MANY) {
      if (isShared(last)) this.current = takeBulk();
    } else {
      if (isFlushed && !isShared(last)) giveBulk(last);
      this.current = sharedNow();
    }
    return this.current;
  }
}

function sharedView(bytes: number): Buffer {
  if (bytes > MAX_VIEW_BYTES) return SHARED.subarray(0, bytes);
  while (views.length <= bytes) views.push(SHARED.subarray(0, views.length));
  return views[bytes]!;
}

/** What a socket does with what it read: `take` handles bytes, `next` then says where to read on. */
export interface Reading {
  take(chunk: Buffer): void;
  next(): Buffer;
}

/** Whoever reads a socket now: a connection that turns out to speak another protocol is read by somebody else from then on. */
export class Tap implements Reading {
  reader: Reading | null = null;

  take(chunk: Buffer): void {
    this.reader?.take(chunk);
  }

  next(): Buffer {
    return this.reader === null ? SHARED : this.reader.next();
  }
}

/** `onread` options of a socket that reads as `reading` says. Once it is connected, `readDirectly` makes that cheaper. */
export function onread(reading: Reading): {
  buffer: () => Buffer;
  callback: (bytes: number, buffer: Uint8Array) => boolean;
} {
  return {
    buffer: () => reading.next(),
    callback: (bytes, buffer) => {
      reading.take(isSharedView(buffer as Buffer) ? sharedView(bytes) : (buffer as Buffer).subarray(0, bytes));
      return true;
    },
  };
}

/**
 * Takes over the read callback of a socket made with `onread(reading)`. net.Socket's own looks up half a
 * dozen symbols, refreshes a timer that nobody has set, and names the buffer of the next read anew each time, which is dear;
 * here the buffer is named when it changes. End and errors stay net.Socket's, which takes its handle back when it is destroyed.
 */
export function readDirectly(socket: Socket, reading: Reading): void {
  const handle = handleOf(socket);
  if (streams === null || handle === null || typeof handle.onread !== 'function') return;
  const { streamBaseState, kReadBytesOrError } = streams;
  const others = handle.onread;
  let current = reading.next();
  handle.useUserBuffer(current);
  handle.onread = function onRead(this: StreamHandle, arrayBuffer: ArrayBuffer | undefined): unknown {
    const bytes = streamBaseState[kReadBytesOrError]!;
    if (bytes <= 0) return others.call(this, arrayBuffer);
    reading.take(isSharedView(current) ? sharedView(bytes) : current.subarray(0, bytes));
    const next = reading.next();
    if (next === current) return undefined;
    current = next;
    return next;
  };
}

/**
 * The same for an accepted socket: net.Server has no `onread` option, so its handle is given to a socket of our own. The
 * server must have been made with `pauseOnConnect`.
 */
export function adopt(accepted: Socket, reading: Reading): Socket {
  const shell = accepted as unknown as { _handle: unknown };
  const handle = shell._handle;
  shell._handle = null;
  const options = { handle, allowHalfOpen: true, onread: onread(reading), writableHighWaterMark: MAX_QUEUED_BYTES };
  const socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  readDirectly(socket, reading);
  return socket;
}
