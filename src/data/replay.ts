// The request body as far as it can be sent again: held until the connection is there, and, while small enough, until the
// response begins, so that a retry can repeat it. No copies: the chunks are views of what the socket read.

import { kept } from './buffers.ts';
import type { Upstream } from './sides.ts';

/** Bodies up to here can be repeated. */
export const REPLAY_BYTES = 64 * 1024;

export class Replay {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  /** Nothing that was read has been thrown away. */
  isWhole = true;

  /** Keeps a chunk. `isSent` = the endpoint has it already, so it is only kept for a retry. */
  add(chunk: Buffer, from: number, to: number, isSent: boolean): void {
    this.#bytes += to - from;
    if (isSent && (!this.isWhole || this.#bytes > REPLAY_BYTES)) return this.drop();
    this.#chunks.push(kept(chunk, from, to));
  }

  /** Sends everything held. False = the endpoint wants a pause. What is too large to be sent twice is let go. */
  send(upstream: Upstream): boolean {
    let hasRoom = true;
    for (const chunk of this.#chunks) hasRoom = upstream.chunk(chunk, 0, chunk.length) && hasRoom;
    if (this.#bytes > REPLAY_BYTES) this.drop();
    return hasRoom;
  }

  /** No retry is possible any more: nothing is held. */
  drop(): void {
    this.isWhole = false;
    if (this.#chunks.length > 0) this.#chunks.length = 0; // setting a length is dear, and most requests have no body
  }

  clear(): void {
    this.isWhole = true;
    this.#bytes = 0;
    if (this.#chunks.length > 0) this.#chunks.length = 0;
  }
}
