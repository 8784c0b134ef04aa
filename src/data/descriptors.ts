// File descriptors, so that they never run out. The kernel gives out the lowest number that is free, so the number of a new
// socket tells how full the table is: clients are turned away above one mark, new connections to endpoints above a later one,
// and what is left is for the control plane (admin, probes, files), which shares the table. The caps on connections
// (control/system.ts) usually act long before.
//
// When the table is full all the same, accept fails, and libuv (1.52) asks again at once and for ever: its own spare descriptor
// is lost as soon as another thread takes the number while it is lent (measured: a whole core for each worker). So each worker
// keeps a few of its own, and lets go of them then: accept has something to work with again, the connection is closed, its number
// is free for the next, and nothing is left to be asked for. That goes on until there is room for more than the spares.

import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { handleOf } from './handle.ts';

/** Kept free of clients, and half of it of connections to endpoints; of a small table an eighth. */
const KEPT = 256;
const SPARES = 4;
/** So many more must be free before clients are let in again. */
const ROOM = 8;

export class Descriptors {
  /** Numbers from these on are refused to clients, and to connections to endpoints. */
  readonly #clientMark: number;
  readonly #endpointMark: number;
  readonly #spares: number[] = [];
  #isTight = false;
  #isFull = false;

  /** `limit`: how many the process may have; Infinity = as many as it likes. */
  constructor(limit: number = descriptorLimit()) {
    const kept = Math.min(KEPT, limit / 8);
    this.#clientMark = limit - kept;
    this.#endpointMark = limit - kept / 2;
    if (Number.isFinite(limit)) this.#keepSpares(SPARES);
  }

  /** Nothing new is to be opened to endpoints. */
  get isTight(): boolean {
    return this.#isTight;
  }

  /** Whether a client that was just accepted can stay. */
  takes(accepted: Socket): boolean {
    return !this.#isFull && (handleOf(accepted)?.fd ?? -1) < this.#clientMark;
  }

  /** Looks how full the table is; to be called a few times a second. */
  beat(): void {
    if (this.#clientMark === Number.POSITIVE_INFINITY) return;
    if (this.#isFull) this.#keepSpares(SPARES + ROOM);
    else this.#keepSpares(Math.max(SPARES, this.#spares.length + 1));
    while (this.#spares.length > SPARES) closeSync(this.#spares.pop()!);
  }

  close(): void {
    for (const fd of this.#spares.splice(0)) closeSync(fd);
  }

  /** Opens what is missing to `count`; where that cannot be, none is kept. */
  #keepSpares(count: number): void {
    try {
      while (this.#spares.length < count) this.#spares.push(openSync('/dev/null', 'r'));
      this.#isTight = this.#spares[count - 1]! >= this.#endpointMark;
      this.#isFull = false;
    } catch {
      this.#isTight = true;
      this.#isFull = true;
      this.close();
    }
  }
}

function descriptorLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return match === null ? Number.POSITIVE_INFINITY : Number(match[1]);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
