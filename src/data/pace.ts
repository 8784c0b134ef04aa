// How slow a client may be while something is waited for from it: the bytes of a body, or that it takes the bytes of an answer.
// Silence is one thing, a byte every now and then the other: both hold an endpoint's connection, so both come to an end. What
// moves costs two stores; time-outs are looked at when they are due (wheel.ts), never armed again for each byte.

import type { Socket } from 'node:net';
import { countWaiting } from './buffers.ts';
import { takenBytes } from './handle.ts';
import { NEVER } from './wheel.ts';

/** Slower than this nobody is who wants to get on: the modems of 1990 made two hundred. */
export const MIN_BYTES_PER_S = 100;
/** The rate is that of a whole window: packets are lost, tunnels entered, telephones put into pockets. */
export const WINDOW_MS = 30_000;

export class Pace {
  /** When to judge, ms of the worker's clock; NEVER = nothing is waited for. */
  dueMs = NEVER;
  #fromMs = 0;
  #lastMs = 0;
  #bytes = 0;
  #patienceMs = 0;

  /** Something is waited for from now on. `patienceMs`: how long nothing at all may move. */
  start(nowMs: number, patienceMs: number): void {
    this.#patienceMs = patienceMs;
    this.#fromMs = nowMs;
    this.#lastMs = nowMs;
    this.#bytes = 0;
    this.dueMs = nowMs + patienceMs;
  }

  stop(): void {
    this.dueMs = NEVER;
  }

  get isRunning(): boolean {
    return this.dueMs !== NEVER;
  }

  moved(bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    this.#lastMs = nowMs;
  }

  /** Judges once it is due; if it is well, that is put off. */
  isTooSlow(nowMs: number): boolean {
    if (nowMs < this.dueMs) return false;
    if (nowMs - this.#lastMs >= this.#patienceMs) return true;
    const windowMs = Math.max(WINDOW_MS, this.#patienceMs);
    const passedMs = nowMs - this.#fromMs;
    if (passedMs >= windowMs) {
      if (this.#bytes * 1000 < MIN_BYTES_PER_S * passedMs) return true;
      this.#fromMs = nowMs;
      this.#bytes = 0;
    }
    this.dueMs = Math.min(this.#lastMs + this.#patienceMs, this.#fromMs + windowMs);
    return false;
  }
}

/** The pace at which a client takes its answer. While it runs, something is held for that client. */
export class TakingPace extends Pace {
  override start(nowMs: number, patienceMs: number): void {
    if (!this.isRunning) countWaiting(1);
    super.start(nowMs, patienceMs);
  }

  override stop(): void {
    if (this.isRunning) countWaiting(-1);
    super.stop();
  }
}

/** The same of a whole connection, as far as the kernel shows. */
export class DrainPace extends TakingPace {
  readonly #socket: Socket;
  #takenBytes = 0;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }

  /** Something waits to be taken; if it has waited before, nothing changes. */
  await(nowMs: number, patienceMs: number): void {
    if (this.isRunning) return;
    this.#takenBytes = takenBytes(this.#socket);
    this.start(nowMs, patienceMs);
  }

  override isTooSlow(nowMs: number): boolean {
    if (nowMs < this.dueMs) return false;
    const bytes = takenBytes(this.#socket);
    if (bytes > this.#takenBytes) this.moved(bytes - this.#takenBytes, nowMs);
    this.#takenBytes = bytes;
    return super.isTooSlow(nowMs);
  }
}
