// Why a client's socket is not read, and what was read of it before its time: the requests behind the one that is being
// answered (pipelining). Until the stash is full the socket is read on, since only reading sees a client go.

import type { Socket } from 'node:net';

/** Who does not want the socket to be read now. */
export const HELD = { BY_EXCHANGE: 1, BY_STASH: 2 } as const;

/** Pipelined bytes held while an answer is under way; one read more may come in before the socket stops. */
const MAX_STASH_BYTES = 64 * 1024;

export class Holding {
  readonly #socket: Socket;
  /** HELD bits. */
  #why = 0;
  #stash: Buffer | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#stash === null;
  }

  /** Puts bytes that stay as they are behind those that wait. */
  keep(more: Buffer): void {
    this.#stash = this.#stash === null ? more : Buffer.concat([this.#stash, more]);
    if (this.#stash.length > MAX_STASH_BYTES) this.stop(HELD.BY_STASH);
  }

  /** What waits, which is the caller's from now on. */
  take(): Buffer | null {
    const stash = this.#stash;
    this.#stash = null;
    return stash;
  }

  stop(why: number): void {
    this.#why |= why;
    this.#socket.pause();
  }

  isStopped(why: number): boolean {
    return (this.#why & why) !== 0;
  }

  go(why: number): void {
    this.#why &= ~why;
    if (this.#why === 0) this.#resume();
  }

  /** No reason is left. */
  goAll(): void {
    this.#why = 0;
    this.#resume();
  }

  #resume(): void {
    if (this.#socket.isPaused()) this.#socket.resume();
  }
}
