// Readers of heads, lent to connections while they read one. Their tables of offsets are most of what a connection weighs,
// and an idle connection needs none; but a reader knows again what it read last (wire/repeat.ts), so who comes back gets his
// own as long as there is no need for it elsewhere. What one client said is never compared with what another says.
//
//   take ──▶ lent ──keep──▶ kept for who had it ──take by him──▶ lent      by another: forgets first
//              └────give──▶ free for anybody

/** Readers there may be before one that is kept for somebody is lent to another. */
const MAX_KEPT = 1024;
/** Free ones that are not thrown away. */
const MAX_FREE = 1024;

export interface Lendable {
  /** Among the kept ones of its pool; -1 = not there. */
  place: number;
  /** Who has it, or had it last. */
  user: object | null;
  reset(): void;
  /** What was read is not to be known again. */
  forget(): void;
}

/** Of one worker and kind. */
export class Readers<R extends Lendable> {
  readonly #make: () => R;
  readonly #free: R[] = [];
  readonly #kept: R[] = [];
  #made = 0;

  constructor(make: () => R) {
    this.#make = make;
  }

  /** `last`: what `user` had before, of any pool; null = nothing. */
  take(user: object, last: R | null): R {
    if (last !== null && this.#isKeptFor(user, last)) {
      this.#leave(last);
      return last;
    }
    const reader = this.#free.pop() ?? this.#another();
    reader.user = user;
    return reader;
  }

  /** What it read last is void from now on, but may be known again by who had it. */
  keep(reader: R): void {
    reader.reset();
    reader.place = this.#kept.push(reader) - 1;
  }

  /** `user` will not come back. Of a reader that is somebody else's by now nothing is taken. */
  give(user: object, reader: R): void {
    if (reader.user !== user) return;
    if (this.#isKeptFor(user, reader)) this.#leave(reader);
    reader.user = null;
    reader.reset();
    reader.forget();
    if (this.#free.length < MAX_FREE) this.#free.push(reader);
    else this.#made--;
  }

  #another(): R {
    const kept = this.#made < MAX_KEPT ? undefined : this.#kept[this.#kept.length - 1];
    if (kept === undefined) {
      this.#made++;
      return this.#make();
    }
    this.#leave(kept);
    kept.forget();
    return kept;
  }

  #isKeptFor(user: object, reader: R): boolean {
    return reader.user === user && reader.place >= 0 && this.#kept[reader.place] === reader;
  }

  #leave(reader: R): void {
    const last = this.#kept.pop()!;
    if (last !== reader) {
      this.#kept[reader.place] = last;
      last.place = reader.place;
    }
    reader.place = -1;
  }
}
