// zlib's streams, lent to one answer after the other. Making one for each costs more than compressing a page does: its tables are
// allocated and touched anew (gzip, 16 KiB: 296 µs instead of 130, and four times as long on the event loop). A stream is
// finished by a flush instead of `end`, so that it can be reset and go on.

import type { createGzip } from 'node:zlib';

/** Kept for the next answer, per worker and coding: at most 29 MiB (zstd), 11 MiB (gzip). */
const MAX_FREE = 16;
/** Room for any small body that does not compress. */
const SCRATCH_BYTES = 32 * 1024;
const SCRATCH = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

type ZlibStream = ReturnType<typeof createGzip>;

/** What is below a stream: one call does the work on this thread, and leaves [room in out, bytes not taken] in `state`. */
interface Innards {
  readonly _handle?: {
    writeSync?(op: number, bytes: Buffer, at: number, length: number, out: Buffer, outAt: number, room: number): void;
  };
  readonly _writeState?: Uint32Array;
}

/** Called when the stream has done what it was asked for; with an error when it has not, and never will. */
export type Done = (error?: Error | null) => void;

/** Who has been lent a compressor. */
export interface CompressorUser {
  onOutput(out: Buffer): void;
  onFailed(): void;
}

export class Compressor {
  user: CompressorUser | null = null;
  readonly #stream: ZlibStream;
  readonly #flush: number;
  readonly #finish: number;

  constructor(stream: ZlibStream, flush: number, finish: number) {
    this.#stream = stream;
    this.#flush = flush;
    this.#finish = finish;
    stream.on('data', (out: Buffer) => this.user?.onOutput(out));
    stream.on('error', () => this.user?.onFailed());
  }

  /** `done` when the bytes have been taken, which is not before the output has found room. */
  write(bytes: Buffer, done: Done): void {
    this.#stream.write(bytes, done);
  }

  /** Brings out everything that went in. */
  flush(done: Done): void {
    this.#stream.flush(this.#flush, done);
  }

  /** The same, and ends the content. After `done` output may still wait for its reader. */
  finish(done: Done): void {
    this.#stream.flush(this.#finish, done);
  }

  get hasOutput(): boolean {
    return this.#stream.readableLength > 0;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    if (this.#stream.isPaused()) this.#stream.resume();
  }

  /** Ready for other content. Only after `finish`, and without output left. */
  reset(): void {
    this.user = null;
    (this.#stream as ZlibStream & { reset(): void }).reset();
    this.resume();
  }

  destroy(): void {
    this.user = null;
    this.#stream.destroy();
  }

  /** A whole body at once, on this thread; null when that cannot be done in this way. */
  whole(bytes: Buffer): Buffer | null {
    const { _handle: handle, _writeState: state } = this.#stream as Innards;
    if (typeof handle?.writeSync !== 'function' || state === undefined) return null;
    handle.writeSync(this.#finish, bytes, 0, bytes.length, SCRATCH, 0, SCRATCH_BYTES);
    const [room = 0, left = 0] = state;
    return room === 0 || left > 0 || this.#stream.errored !== null
      ? null
      : Buffer.from(SCRATCH.subarray(0, SCRATCH_BYTES - room));
  }
}

/** One coding's. */
export class Compressors {
  readonly #make: () => ZlibStream;
  readonly #sync: (bytes: Buffer) => Buffer;
  readonly #flush: number;
  readonly #finish: number;
  readonly #canReset: boolean;
  readonly #free: Compressor[] = [];

  constructor(
    make: () => ZlibStream,
    sync: (bytes: Buffer) => Buffer,
    flush: number,
    finish: number,
    canReset: boolean,
  ) {
    this.#make = make;
    this.#sync = sync;
    this.#flush = flush;
    this.#finish = finish;
    this.#canReset = canReset;
  }

  take(): Compressor {
    return this.#free.pop() ?? new Compressor(this.#make(), this.#flush, this.#finish);
  }

  /** One that has finished its content. What nobody has read of it must never reach the next client. */
  give(compressor: Compressor): void {
    if (!this.#canReset || compressor.hasOutput || this.#free.length >= MAX_FREE) return compressor.destroy();
    compressor.reset();
    this.#free.push(compressor);
  }

  /** A whole small body at once, on this thread. May throw what zlib throws. */
  whole(bytes: Buffer): Buffer {
    if (!this.#canReset || bytes.length > SCRATCH_BYTES / 2) return this.#sync(bytes);
    const compressor = this.take();
    const coded = compressor.whole(bytes);
    if (coded !== null) {
      this.give(compressor);
      return coded;
    }
    compressor.destroy();
    return this.#sync(bytes);
  }
}
