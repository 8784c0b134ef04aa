// Calls under way, each with its time: what takes longer is given up, and still counts until it ends, so that a Redis that
// hangs cannot gather them.

/** Calls under way at once, lost ones included until their connection is gone. */
const MAX_CALLS = 256;

/** Stands for an answer that did not come in time. */
export const LATE = Symbol('late');

export class Calls {
  #under = 0;

  get isFull(): boolean {
    return this.#under >= MAX_CALLS;
  }

  /** What `running` gives, or LATE. Rejects as it does. */
  async inTime<T>(running: Promise<T>, timeoutMs: number): Promise<T | typeof LATE> {
    this.#under++;
    const done = () => void this.#under--;
    running.then(done, done);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<typeof LATE>((resolve) => {
      // Once more round the loop: after a stall of our own, the answer may be there, unread.
      timer = setTimeout(() => setImmediate(resolve, LATE), timeoutMs);
    });
    try {
      return await Promise.race([running, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
