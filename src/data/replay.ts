// The request body as far as it can be sent again: held until the connection is there, and, while small enough, until the
// response begins, so that a retry can repeat it. Most bodies are small and gone at once, so they are copied into one buffer
// of the worker's pool; only what was read before there was a connection, and is larger, waits in pieces of its own.

import { giveBulk, kept, takeBulk } from './buffers.ts';
import type { Upstream } from './sides.ts';

/** Bodies up to here can be repeated. */
export const REPLAY_BYTES = 64 * 1024;

export class Replay {
  /** The beginning of the body, REPLAY_BYTES at most; from the pool. */
  #buffer: Buffer | null = null;
  #filled = 0;
  /** What came behind it. */
  readonly #more: Buffer[] = [];
  #bytes = 0;
  /** Nothing that was read has been thrown away. */
  isWhole = true;

  /** Keeps a chunk. `isSent` = the endpoint has it already, so it is only kept for a retry. */
  add(chunk: Buffer, from: number, to: number, isSent: boolean): void {
    this.#bytes += to - from;
    if (isSent && (!this.isWhole || this.#bytes > REPLAY_BYTES)) return this.drop();
    if (this.#bytes > REPLAY_BYTES) {
      this.#more.push(kept(chunk, from, to));
      return;
    }
    this.#buffer ??= takeBulk();
    this.#filled += chunk.copy(this.#buffer, this.#filled, from, to);
  }

  /** Sends everything held. False = the endpoint wants a pause. What is too large to be sent twice is let go. */
  send(upstream: Upstream): boolean {
    let hasRoom = true;
    // A copy: the connection may still be reading it when this buffer is somebody else's.
    if (this.#filled > 0) hasRoom = upstream.chunk(kept(this.#buffer!, 0, this.#filled), 0, this.#filled);
    for (const chunk of this.#more) hasRoom = upstream.chunk(chunk, 0, chunk.length) && hasRoom;
    if (this.#bytes > REPLAY_BYTES) this.drop();
    return hasRoom;
  }

  /** No retry is possible any more: nothing is held. */
  drop(): void {
    this.isWhole = false;
    this.#release();
  }

  clear(): void {
    this.isWhole = true;
    this.#bytes = 0;
    this.#release();
  }

  #release(): void {
    if (this.#more.length > 0) this.#more.length = 0; // it may hold pieces without a buffer: one read too far can be larger
    if (this.#buffer === null) return;
    giveBulk(this.#buffer);
    this.#buffer = null;
    this.#filled = 0;
  }
}
