// What is to happen when, on a clock that does not tick: earliest first, and of one moment in the order of being added.

interface Item {
  readonly atMs: number;
  readonly run: () => void;
}

export class Agenda {
  readonly #items: Item[] = [];

  add(atMs: number, run: () => void): void {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#items[middle]!.atMs <= atMs) low = middle + 1;
      else high = middle;
    }
    this.#items.splice(low, 0, { atMs, run });
  }

  /** Takes out what is next, if it is due by `untilMs`. */
  next(untilMs: number): Item | null {
    const next = this.#items[0];
    return next === undefined || next.atMs > untilMs ? null : this.#items.shift()!;
  }
}
