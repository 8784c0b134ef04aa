// What happens when: a binary heap over typed arrays, so that a million events cost no object. An event is a moment, a kind
// and a number that says which. Events of one moment come out in the order they were put in: a run repeats bit by bit.

export class Calendar {
  /** Of the event that `pop` took out. */
  atMs = 0;
  kind = 0;
  which = 0;
  #atMs = new Float64Array(1024);
  #order = new Float64Array(1024);
  #kind = new Uint8Array(1024);
  #which = new Int32Array(1024);
  #size = 0;
  #next = 0;

  /** When the first event is due; Infinity when there is none. */
  get nextMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#atMs[0]!;
  }

  /** O(log n). */
  push(atMs: number, kind: number, which: number): void {
    if (this.#size === this.#atMs.length) this.#grow();
    const order = this.#next++;
    let i = this.#size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.#atMs[parent]! <= atMs) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#put(i, atMs, order, kind, which);
  }

  /** Takes the first event out, into the fields. False when there is none. O(log n). */
  pop(): boolean {
    if (this.#size === 0) return false;
    this.atMs = this.#atMs[0]!;
    this.kind = this.#kind[0]!;
    this.which = this.#which[0]!;
    const n = --this.#size;
    if (n === 0) return true;
    const atMs = this.#atMs[n]!;
    const order = this.#order[n]!;
    const kind = this.#kind[n]!;
    const which = this.#which[n]!;
    let i = 0;
    for (let child = 1; child < n; child = 2 * i + 1) {
      if (child + 1 < n && this.#isBefore(child + 1, this.#atMs[child]!, this.#order[child]!)) child++;
      if (!this.#isBefore(child, atMs, order)) break;
      this.#move(child, i);
      i = child;
    }
    this.#put(i, atMs, order, kind, which);
    return true;
  }

  #isBefore(i: number, atMs: number, order: number): boolean {
    const ms = this.#atMs[i]!;
    return ms < atMs || (ms === atMs && this.#order[i]! < order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#atMs[from]!, this.#order[from]!, this.#kind[from]!, this.#which[from]!);
  }

  #put(i: number, atMs: number, order: number, kind: number, which: number): void {
    this.#atMs[i] = atMs;
    this.#order[i] = order;
    this.#kind[i] = kind;
    this.#which[i] = which;
  }

  #grow(): void {
    const size = this.#atMs.length * 2;
    const [atMs, order] = [new Float64Array(size), new Float64Array(size)];
    const [kind, which] = [new Uint8Array(size), new Int32Array(size)];
    atMs.set(this.#atMs);
    order.set(this.#order);
    kind.set(this.#kind);
    which.set(this.#which);
    [this.#atMs, this.#order, this.#kind, this.#which] = [atMs, order, kind, which];
  }
}
