// Writes of multiplexed connections, gathered over one turn of the event loop: when ten endpoints answer in one poll, their
// ten answers to one client leave in one write. One immediate a turn, whoever asks for it.

/** Something that is flushed at the end of the turn it asked in. */
export interface Flushable {
  /** Kept by the batch: it is on its list. */
  isScheduled: boolean;
  flushNow(): void;
}

export class Batch {
  #list: Flushable[] = [];
  #spare: Flushable[] = [];
  readonly #run = (): void => {
    const list = this.#list;
    this.#list = this.#spare; // who asks while this runs is flushed in the next turn
    for (let i = 0; i < list.length; i++) {
      const item = list[i]!;
      item.isScheduled = false;
      item.flushNow();
    }
    list.length = 0;
    this.#spare = list;
  };

  add(item: Flushable): void {
    if (item.isScheduled) return;
    item.isScheduled = true;
    if (this.#list.push(item) === 1) setImmediate(this.#run);
  }
}
