// Streams that we reset a moment ago: the peer may not know yet, so what still comes of them is no mistake (RFC 9113, 5.4.2).

/** More than a peer may have open; the oldest is forgotten first. */
const REMEMBERED = 128;

export class RecentResets {
  readonly #ids: number[] = [];

  add(streamId: number): void {
    this.#ids.push(streamId);
    if (this.#ids.length > REMEMBERED) this.#ids.shift();
  }

  has(streamId: number): boolean {
    return this.#ids.includes(streamId);
  }
}
