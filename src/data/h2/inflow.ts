// The connection's own window for what comes in (RFC 9113, 6.9). Credit goes back as bytes arrive: what is kept is bounded by the
// windows of the streams, and one whose reader is slow must not keep the others waiting.

/** What a peer may have on its way to us in all. */
export const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;

export class Inflow {
  #window = CONNECTION_WINDOW_BYTES;
  #credit = 0;

  /** False = the peer had no right to send so much. */
  take(bytes: number): boolean {
    this.#window -= bytes;
    return this.#window >= 0;
  }

  /** Room for as much again: what to tell the peer now, bytes; 0 = nothing yet. */
  give(bytes: number): number {
    this.#credit += bytes;
    if (this.#credit < CONNECTION_WINDOW_BYTES / 4) return 0;
    const credit = this.#credit;
    this.#window += credit;
    this.#credit = 0;
    return credit;
  }
}
