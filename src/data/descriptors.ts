// File descriptors, so that they never run out. The kernel gives out the lowest number that is free, so the number of a new
// socket tells how full the table is: clients are turned away above one mark, new connections to endpoints above a later one,
// and what is left is for the control plane (admin, probes, files), which shares the table. The caps on connections
// (control/system.ts) usually act long before.
//
// When the table is full all the same, accept fails, and libuv (1.52) asks again at once and for ever: its own spare descriptor
// is lost as soon as another thread takes the number while it is lent (measured: a whole core). So each worker keeps a few of its
// own, and lets go of them then: accept has something to work with again, the connection is closed, its number is free for the
// next, and nothing is left to be asked for.

import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { handleOf } from './handle.ts';

/** Kept free of clients, and of connections to endpoints; of a small table an eighth and half of that. */
const KEPT = 256;
const SPARES = 4;

export class Descriptors {
  /** Numbers from these on are refused to clients, and to connections to endpoints. */
  readonly #clientMark: number;
  readonly #endpointMark: number;
  readonly #spares: number[] = [];
  #isTight = false;

  /** `limit`: how many the process may have; Infinity = as many as it likes. */
  constructor(limit: number = descriptorLimit()) {
    const kept = Math.min(KEPT, limit / 8);
    this.#clientMark = limit - kept;
    this.#endpointMark = limit - kept / 2;
    if (Number.isFinite(limit)) this.beat();
  }

  /** Nothing new is to be opened to endpoints. */
  get isTight(): boolean {
    return this.#isTight;
  }

  /** Whether a client that was just accepted can stay. */
  takes(accepted: Socket): boolean {
    return (handleOf(accepted)?.fd ?? -1) < this.#clientMark;
  }

  /** Looks how full the table is; to be called a few times a second. Gives whether it is full to the last. */
  beat(): boolean {
    if (this.#clientMark === Number.POSITIVE_INFINITY) return false;
    try {
      const fd = openSync('/dev/null', 'r');
      this.#isTight = fd >= this.#endpointMark;
      if (this.#spares.length < SPARES) this.#spares.push(fd);
      else closeSync(fd);
      return false;
    } catch {
      this.#isTight = true;
      for (const fd of this.#spares.splice(0)) closeSync(fd);
      return true;
    }
  }

  close(): void {
    for (const fd of this.#spares.splice(0)) closeSync(fd);
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
