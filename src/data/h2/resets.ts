// Streams that we reset a moment ago: the peer may not know yet, so what still comes of them is no mistake (RFC 9113, 5.4.2), and
// no flood either, up to what it may have had on its way.

import { MAX_STREAM_WINDOW_BYTES } from './stream.ts';

/** More than a peer may have open; the oldest is forgotten first. */
const REMEMBERED = 128;

export class RecentResets {
  readonly #ids: number[] = [];
  /** What peers may still send of them, bytes. */
  #strayRoom = 0;

  add(streamId: number): void {
    this.#ids.push(streamId);
    if (this.#ids.length > REMEMBERED) this.#ids.shift();
    this.#strayRoom = Math.min(this.#strayRoom + MAX_STREAM_WINDOW_BYTES, REMEMBERED * MAX_STREAM_WINDOW_BYTES);
  }

  has(streamId: number): boolean {
    return this.#ids.includes(streamId);
  }

  /** Something of one of them has come. False = that is more than can have been under way. */
  stray(bytes: number): boolean {
    this.#strayRoom = Math.max(this.#strayRoom - bytes, -1);
    if (this.#strayRoom >= 0) return true;
    this.#strayRoom = 0;
    return false;
  }
}
