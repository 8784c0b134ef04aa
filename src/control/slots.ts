// Which endpoint sits in which slot of the board, over any number of reloads. A slot is given to somebody else only when no
// worker can still be writing there for whoever had it, and then under another generation.

import { MAX_SLOTS } from '../core/snapshot.ts';

/** A slot is free (`key` null), held (`leftAt` null), or left by its endpoint and waiting for the workers. */
interface Slot {
  key: string | null;
  generation: number;
  /** The first version without the endpoint. */
  leftAt: number | null;
}

/** The place of an endpoint. */
export interface Assigned {
  readonly slot: number;
  readonly generation: number;
}

export class Slots {
  /** By slot; as long as the highest slot ever used. */
  readonly #slots: Slot[] = [];

  /**
   * Slots for exactly these endpoints, in order; whoever had one and is not among them leaves at `version`. Throws a RangeError,
   * with nothing changed, when there are not enough.
   */
  assign(keys: readonly string[], version: number): Assigned[] {
    const known = new Map<string, number>();
    for (const [i, { key }] of this.#slots.entries()) if (key !== null) known.set(key, i);
    const newcomers = keys.reduce((n, key) => (known.has(key) ? n : n + 1), 0);
    const room = MAX_SLOTS - known.size;
    if (newcomers > room) {
      throw new RangeError(
        `expected at most ${room} new endpoints while older ones are still in use, got ${newcomers}`,
      );
    }
    const wanted = new Set(keys);
    for (const slot of this.#slots) {
      if (slot.key !== null && slot.leftAt === null && !wanted.has(slot.key)) slot.leftAt = version;
    }
    let from = 0;
    return keys.map((key) => {
      let at = known.get(key);
      if (at === undefined) at = from = this.#take(key, from);
      const slot = this.#slots[at]!;
      // Back before anybody else had it: exchanges still out there are this endpoint's own.
      slot.leftAt = null;
      return { slot: at, generation: slot.generation };
    });
  }

  /** No worker uses a Snapshot older than `version` any more. */
  release(version: number): void {
    for (const slot of this.#slots) {
      if (slot.leftAt === null || slot.leftAt > version) continue;
      slot.key = null;
      slot.leftAt = null;
    }
  }

  /** The lowest free slot from `from` on; small numbers keep the table small. */
  #take(key: string, from: number): number {
    let at = from;
    while (at < this.#slots.length && this.#slots[at]!.key !== null) at++;
    const generation = (this.#slots[at]?.generation ?? 0) + 1;
    this.#slots[at] = { key, generation, leftAt: null };
    return at;
  }
}
