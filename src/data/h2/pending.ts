// What one read of a client's connection has brought for endpoints: it leaves when the read is through, whole, so that many
// frames become one write, and what is taken back in the same breath never leaves.

import type { ServerStream } from './server-stream.ts';

export class Pending {
  readonly #touched: ServerStream[] = [];
  /** A stream that was taken back and used again stands here twice, and wakes once. */
  readonly #asleep: ServerStream[] = [];

  /**
   * Requests go on their way when the read that brought them is through, or with their first DATA: those that were taken back in
   * the same breath (rapid reset) have cost no endpoint anything.
   */
  begin(stream: ServerStream): void {
    this.#asleep.push(stream);
  }

  /** Body bytes for its endpoint came in this read. */
  touch(stream: ServerStream): void {
    if (stream.isTouched) return;
    stream.isTouched = true;
    this.#touched.push(stream);
  }

  /** The read is through. */
  send(): void {
    const asleep = this.#asleep;
    for (let i = 0; i < asleep.length; i++) asleep[i]!.wake();
    asleep.length = 0;
    const touched = this.#touched;
    for (let i = 0; i < touched.length; i++) {
      const stream = touched[i]!;
      stream.isTouched = false;
      stream.exchange.flush();
    }
    touched.length = 0;
  }
}
