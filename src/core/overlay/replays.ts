// Which signed requests have been seen, over all workers of a node: a signature opens the door once. A ring of hash tables in
// shared memory, each for one stretch of the time that signatures name; the oldest is wiped when its turn comes again. Bounded:
// who comes when a table is full is refused, since forgetting one would let its copy in.
//
//   stretch of the moment a signature names:  …  12 │ 13 │ 14 │ 15  …      table = stretch mod 4, so that 16 wipes 12's
//
// Words are written by compareExchange: of two workers that see copies at once, one is first.

import { SKEW_MS } from './hop.ts';

/** A signature is taken from SKEW_MS before to SKEW_MS after its moment: at most three stretches are in use, and one is between. */
const STRETCH_MS = SKEW_MS;
const TABLES = 4;
/** Signatures of one stretch, a power of two; at three quarters it is full: 6,500 requests/s from peers. */
const ENTRIES = 1 << 17;
const MOST = (ENTRIES / 4) * 3;
const HEAD_WORDS = TABLES * 2;

export const REPLAY_BYTES = (HEAD_WORDS + TABLES * ENTRIES) * 8;

/** What became of it: NEW once, AGAIN ever after; FULL = there is no room to remember it. */
export const SEEN = { NEW: 0, AGAIN: 1, FULL: 2 } as const;
export type Seen = (typeof SEEN)[keyof typeof SEEN];

export function newReplays(): SharedArrayBuffer {
  return new SharedArrayBuffer(REPLAY_BYTES);
}

export class Replays {
  readonly #words: BigInt64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new BigInt64Array(buffer);
  }

  /**
   * Remembers a signature: its first 64 bits, which nobody without the secret can choose. `atMs`: the moment it names, already
   * found to be near enough to now. O(1).
   */
  see(print: bigint, atMs: number): Seen {
    const words = this.#words;
    const stretch = BigInt(Math.floor(atMs / STRETCH_MS) + 1); // never 0, which is a table that nobody has used
    const table = Number(stretch % BigInt(TABLES));
    if (!this.#claim(table, stretch)) return SEEN.FULL;
    const count = TABLES + table;
    if (Atomics.load(words, count) >= BigInt(MOST)) return SEEN.FULL;
    const value = print === 0n ? 1n : print;
    const base = HEAD_WORDS + table * ENTRIES;
    let at = Number(BigInt.asUintN(17, value));
    for (let i = 0; i < ENTRIES; i++) {
      const before = Atomics.compareExchange(words, base + at, 0n, value);
      if (before === value) return SEEN.AGAIN;
      if (before === 0n) {
        Atomics.add(words, count, 1n);
        return SEEN.NEW;
      }
      at = (at + 1) & (ENTRIES - 1);
    }
    return SEEN.FULL;
  }

  /** Wipes the table when its stretch comes up for the first time. False = another worker is just wiping it. */
  #claim(table: number, stretch: bigint): boolean {
    const words = this.#words;
    const before = Atomics.load(words, table);
    if (before === stretch) return true;
    // One that was being wiped for an earlier stretch was given up by a worker that died.
    if (before === -stretch || Atomics.compareExchange(words, table, before, -stretch) !== before) return false;
    words.fill(0n, HEAD_WORDS + table * ENTRIES, HEAD_WORDS + (table + 1) * ENTRIES);
    Atomics.store(words, TABLES + table, 0n);
    Atomics.store(words, table, stretch);
    return true;
  }
}
