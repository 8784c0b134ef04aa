// A node's copy of a directory that says where the data of a key is, in shared memory: 64-bit name of the key (key-hash.ts) → number
// of a place. Control writes it, workers read it, without locks: an entry is whole before its name is there to be found, and of
// what changes afterwards a reader sees the old place or the new, never a third. Names are never taken out; a key that has no place
// any more has place NOWHERE, and is left out of the next copy. Open addressing, at most three quarters full; when it gets fuller, control makes a larger copy and
// hands that out (16 bytes a place of twice as many as there are keys: 1 M keys take 32 MiB).
//
//   header │ entries: hi, lo, place, version

import { EMPTY } from '../key-hash.ts';

/** The place of a key that the directory does not hold. Others count from 1. */
export const NOWHERE = 0;

const ENTRY = { HI: 0, LO: 1, PLACE: 2, VERSION: 3 } as const;
const ENTRY_INTS = 4;
const HEADER_INTS = 16;
const H = { IS_LOADED: 0, KEYS: 1 } as const;
const LEAST = 1024;

/** Bytes of a copy with room for so many keys. */
export function replicaBytes(keys: number): number {
  return (HEADER_INTS + entriesFor(keys) * ENTRY_INTS) * 4;
}

function entriesFor(keys: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(keys / 0.75, LEAST)));
}

/** A worker's side: never throws, never waits, allocates nothing. */
export class ReplicaReader {
  readonly #header: Int32Array;
  readonly #entries: Int32Array;
  readonly #mask: number;

  constructor(buffer: SharedArrayBuffer) {
    this.#header = new Int32Array(buffer, 0, HEADER_INTS);
    this.#entries = new Int32Array(buffer, HEADER_INTS * 4);
    this.#mask = this.#entries.length / ENTRY_INTS - 1;
  }

  /** Until then nothing is known of any key. */
  get isLoaded(): boolean {
    return Atomics.load(this.#header, H.IS_LOADED) === 1;
  }

  /** NOWHERE = it is not in the directory. */
  placeOf(hi: number, lo: number): number {
    const at = findIn(this.#entries, this.#mask, hi, lo);
    return at < 0 ? NOWHERE : this.#entries[at + ENTRY.PLACE]!;
  }
}

/** Control's side: the one writer. */
export class ReplicaWriter {
  readonly buffer: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #entries: Int32Array;
  readonly #mask: number;
  #placed = 0;

  /** Room for `keys` at least. */
  constructor(keys: number) {
    this.buffer = new SharedArrayBuffer(replicaBytes(keys));
    this.#header = new Int32Array(this.buffer, 0, HEADER_INTS);
    this.#entries = new Int32Array(this.buffer, HEADER_INTS * 4);
    this.#mask = this.#entries.length / ENTRY_INTS - 1;
  }

  get isLoaded(): boolean {
    return this.#header[H.IS_LOADED] === 1;
  }

  setLoaded(): void {
    Atomics.store(this.#header, H.IS_LOADED, 1);
  }

  /** Names in it, those without a place counted too. */
  get keys(): number {
    return this.#header[H.KEYS]!;
  }

  /** Keys that have a place. */
  get placed(): number {
    return this.#placed;
  }

  /** One more key needs another copy first: a larger one, or as large, but without those that have no place. */
  get isFull(): boolean {
    return this.keys >= (this.#mask + 1) * 0.75;
  }

  placeOf(hi: number, lo: number): number {
    const at = findIn(this.#entries, this.#mask, hi, lo);
    return at < 0 ? NOWHERE : this.#entries[at + ENTRY.PLACE]!;
  }

  /**
   * What is older than what is known of the key changes nothing. `version`: of the directory; of two, the later one is less than
   * 2^31 ahead. False = there is no room for another key.
   */
  set(hi: number, lo: number, place: number, version: number): boolean {
    const entries = this.#entries;
    const found = findIn(entries, this.#mask, hi, lo);
    if (found >= 0) {
      if (((version - entries[found + ENTRY.VERSION]!) | 0) < 0) return true;
      entries[found + ENTRY.VERSION] = version;
      this.#placed += Number(place !== NOWHERE) - Number(entries[found + ENTRY.PLACE] !== NOWHERE);
      Atomics.store(entries, found + ENTRY.PLACE, place);
      return true;
    }
    if (this.isFull) return false;
    let at = firstOf(hi, lo, this.#mask);
    while (entries[at] !== EMPTY) at = nextOf(at, this.#mask);
    entries[at + ENTRY.LO] = lo;
    entries[at + ENTRY.PLACE] = place;
    entries[at + ENTRY.VERSION] = version;
    Atomics.store(entries, at + ENTRY.HI, hi);
    this.#header[H.KEYS]! += 1;
    this.#placed += Number(place !== NOWHERE);
    return true;
  }

  /** A copy with room for `keys`, or for all that has a place; `version`: all of it is of this one from now on. */
  grown(keys: number, version: number | null = null): ReplicaWriter {
    const larger = new ReplicaWriter(Math.max(keys, this.keys));
    const entries = this.#entries;
    for (let at = 0; at < entries.length; at += ENTRY_INTS) {
      if (entries[at] === EMPTY || entries[at + ENTRY.PLACE] === NOWHERE) continue;
      larger.set(
        entries[at]!,
        entries[at + ENTRY.LO]!,
        entries[at + ENTRY.PLACE]!,
        version ?? entries[at + ENTRY.VERSION]!,
      );
    }
    if (this.isLoaded) larger.setLoaded();
    return larger;
  }
}

/** -1 = it is not there. Bounded: there is always a free entry. */
function findIn(entries: Int32Array, mask: number, hi: number, lo: number): number {
  for (let at = firstOf(hi, lo, mask); ; at = nextOf(at, mask)) {
    const found = Atomics.load(entries, at);
    if (found === EMPTY) return -1;
    if (found === hi && entries[at + ENTRY.LO] === lo) return at;
  }
}

function firstOf(hi: number, lo: number, mask: number): number {
  return ((hi ^ Math.imul(lo, 0x9e3779b1)) & mask) * ENTRY_INTS;
}

function nextOf(at: number, mask: number): number {
  return (at + ENTRY_INTS) & (mask * ENTRY_INTS + ENTRY_INTS - 1);
}
