// Numbers that stand for names: for ever in metrics; where a table in shared memory has room for few, as long as they are named.

import { MANY } from '../core/cells.ts';

/**
 * Names and small numbers for them, of which there are few: those that a configuration does not name any more are given away
 * when there is no other left, the one that was named longest ago first. 0 … most - 1.
 */
export class Numbers {
  readonly #most: number;
  /** In the order of being named. */
  readonly #numbers = new Map<string, number>();
  readonly #current = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  /** What is named from now on is one configuration: at most `most` names. */
  begin(): void {
    this.#current.clear();
  }

  numberOf(name: string): number {
    const number = this.#numbers.get(name) ?? this.#next();
    this.#numbers.delete(name);
    this.#numbers.set(name, number);
    this.#current.add(name);
    return number;
  }

  #next(): number {
    if (this.#numbers.size < this.#most) return this.#numbers.size;
    for (const [name, number] of this.#numbers) {
      if (this.#current.has(name)) continue;
      this.#numbers.delete(name);
      return number;
    }
    throw new RangeError(`expected at most ${this.#most} names at once`);
  }
}

/** uid → name. Append-only: names of things that are gone stay, since their counters do. */
export interface Names {
  readonly routes: readonly string[];
  readonly endpoints: readonly string[];
  readonly pools: readonly string[];
  readonly listeners: readonly string[];
}

/** Names and the numbers that stand for them in metrics, for as long as the process lives. After MANY names, the rest are MANY. */
export class NameList {
  readonly #names: string[] = [];
  readonly #uids = new Map<string, number>();

  /** The live list: grows, never changes. */
  get names(): readonly string[] {
    return this.#names;
  }

  uidOf(name: string): number {
    const known = this.#uids.get(name);
    if (known !== undefined) return known;
    const uid = this.#names.length;
    if (uid >= MANY) return MANY;
    this.#names.push(name);
    this.#uids.set(name, uid);
    return uid;
  }
}
