// Connections to the admin listener, when there are more than it keeps: whoever comes is let in, and one that asks nothing goes. So
// nobody shuts the operator out by holding connections open, not even from the operator's own address: a request is there a
// moment after its connection. A fixed part for each address would shut out all who come by one tunnel, and keep places
// empty; only where nobody waits does it count who has how many.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { networkOf } from './tries.ts';

interface Guest {
  readonly socket: Socket;
  readonly network: string;
  /** Being answered, the last one of several. */
  request: IncomingMessage | null;
}

export class Crowd {
  readonly #most: number;
  /** Whoever has been quiet for longest first. */
  readonly #guests = new Map<Socket, Guest>();

  constructor(most: number) {
    this.#most = most;
  }

  /** A new connection: another is cut for it, or it itself, when there are too many. */
  come(socket: Socket): void {
    const guest = { socket, network: networkOf(socket.remoteAddress ?? ''), request: null };
    if (this.#guests.size >= this.#most) {
      const leaving = this.#waiting() ?? this.#busy(guest.network);
      (leaving?.socket ?? socket).destroy();
      // Its `close` comes later: others may come before.
      if (leaving === null) return;
      this.#guests.delete(leaving.socket);
    }
    this.#guests.set(socket, guest);
    socket.once('close', () => this.#guests.delete(socket));
  }

  ask(request: IncomingMessage, response: ServerResponse): void {
    const guest = this.#guests.get(request.socket);
    if (guest === undefined) return;
    guest.request = request;
    response.once('close', () => {
      if (guest.request !== request || !this.#guests.delete(guest.socket)) return;
      guest.request = null;
      if (!guest.socket.destroyed) this.#guests.set(guest.socket, guest);
    });
  }

  /** Of the network that has most of them, who has waited longest without a request, or for the rest of one; null = nobody. */
  #waiting(): Guest | null {
    const waiting = [...this.#guests.values()].filter(({ request }) => request?.complete !== true);
    return heaviestOf(waiting)[0] ?? null;
  }

  /** All are being answered: one of those who have more than `network` would have then. */
  #busy(network: string): Guest | null {
    const own = [...this.#guests.values()].filter((guest) => guest.network === network).length;
    const heaviest = heaviestOf([...this.#guests.values()]);
    return heaviest.length > own + 1 ? heaviest[0]! : null;
  }
}

/** Those of the network that has most; in the same order. */
function heaviestOf(guests: readonly Guest[]): readonly Guest[] {
  let most: readonly Guest[] = [];
  for (const inside of Map.groupBy(guests, ({ network }) => network).values()) {
    if (inside.length > most.length) most = inside;
  }
  return most;
}
