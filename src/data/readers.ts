// Readers of heads, lent to connections while they read one. Their tables of offsets are most of what a connection weighs,
// and an idle connection needs none.

/** Kept for the next connection, per worker and kind. */
const MAX_FREE = 1024;

export class Readers<R extends { reset(): void }> {
  readonly #make: () => R;
  readonly #free: R[] = [];

  constructor(make: () => R) {
    this.#make = make;
  }

  take(): R {
    return this.#free.pop() ?? this.#make();
  }

  /** What it read last is void from now on. */
  give(reader: R): void {
    reader.reset();
    if (this.#free.length < MAX_FREE) this.#free.push(reader);
  }
}
