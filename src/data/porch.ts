// Where connections of clients that keep flooding wait before they are let in. They are not read there, so that neither they nor
// what they send costs time: the kernel holds a flood back better than a reset does, which only brings it back a millisecond later.
// Their neighbours behind the same address are late, but served. Few may wait; the others are closed at once.

import type { Socket } from 'node:net';
import { keyOf, Strikes } from '../core/strikes.ts';
import type { ClientConnectionHandle, Plane } from './plane.ts';
import { Timed } from './wheel.ts';

/** Waiting connections of a worker in all, and of one client's. */
const MAX_WAITING = 256;
const MAX_PER_CLIENT = 8;

export class Porch {
  readonly #strikes = new Strikes();
  readonly #waiting = new Map<string, number>();
  #count = 0;

  /** A connection of this client was ended for a flood. */
  strike(plane: Plane, address: string): void {
    if (address !== '' && !plane.generation.trusted.has(address)) this.#strikes.strike(address, plane.wheel.nowMs);
  }

  /** How long a client is to wait, ms; 0 = it may come in. */
  waitMs(plane: Plane, address: string): number {
    return this.#strikes.waitMs(address, plane.wheel.nowMs);
  }

  /**
   * `accepted`, which is paused and has not been read, is the porch's until `enter` is called after `waitMs`, or `onClosed` when
   * there is no room or the worker ends.
   */
  keep(plane: Plane, accepted: Socket, address: string, waitMs: number, enter: () => void, onClosed: () => void): void {
    const key = keyOf(address);
    const ofClient = this.#waiting.get(key) ?? 0;
    if (this.#count >= MAX_WAITING || ofClient >= MAX_PER_CLIENT) {
      accepted.destroy();
      onClosed();
      return;
    }
    this.#count++;
    this.#waiting.set(key, ofClient + 1);
    const leave = (): void => this.#leave(key);
    plane.wheel.armIn(new Waiter(plane, accepted, leave, enter, onClosed), waitMs);
  }

  #leave(key: string): void {
    this.#count--;
    const left = this.#waiting.get(key)! - 1;
    if (left === 0) this.#waiting.delete(key);
    else this.#waiting.set(key, left);
  }
}

class Waiter extends Timed implements ClientConnectionHandle {
  readonly #plane: Plane;
  readonly #accepted: Socket;
  readonly #leave: () => void;
  readonly #enter: () => void;
  readonly #onClosed: () => void;
  readonly #onSocketClose = (): void => this.#end(this.#onClosed);

  constructor(plane: Plane, accepted: Socket, leave: () => void, enter: () => void, onClosed: () => void) {
    super();
    this.#plane = plane;
    this.#accepted = accepted;
    this.#leave = leave;
    this.#enter = enter;
    this.#onClosed = onClosed;
    accepted.on('error', ignore); // `close` follows
    accepted.once('close', this.#onSocketClose);
    plane.remember(this);
  }

  override onDeadline(): void {
    this.#accepted.off('error', ignore);
    this.#end(this.#enter);
  }

  #end(next: () => void): void {
    this.#accepted.off('close', this.#onSocketClose);
    this.#plane.wheel.drop(this);
    this.#plane.forget(this);
    this.#leave();
    next();
  }

  beginDrain(): void {}

  closeIdle(): void {
    this.destroy();
  }

  destroy(): void {
    this.#plane.wheel.drop(this); // its turn may come before its `close`, and there is nobody to let in any more
    this.#accepted.destroy();
  }
}

function ignore(): void {}
